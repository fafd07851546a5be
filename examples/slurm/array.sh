#!/bin/bash
# The same network with ten seeds, at most four at a time: sbatch array.sh CONFIG
#SBATCH --job-name=seeds
#SBATCH --array=0-9%4
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%a.log

# Each task has a run folder of its own; the task's number is the seed. The last line of its log is the result as JSON.
exec cnn train "$1" "train.seed=$SLURM_ARRAY_TASK_ID" --run "runs/$SLURM_JOB_NAME-$SLURM_ARRAY_TASK_ID" --resume \
    --max-time 3h50m --json
