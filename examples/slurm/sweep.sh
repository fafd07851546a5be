#!/bin/bash
# A sweep as a job array, a task for each trial: sbatch --array=0-15%4 sweep.sh CONFIG KEY=VALUE,VALUE ...
#SBATCH --job-name=sweep
#SBATCH --array=0-15%4
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%a.log

# `cnn sweep CONFIG ... --dry-run` lists the trials and says which --array they need. Each task trains one of them in the
# sweep's folder; tasks that are sent again go on. Afterwards the same line without --index makes the table and the picture.
exec cnn sweep "$@" --index "$SLURM_ARRAY_TASK_ID" --max-time 3h50m
