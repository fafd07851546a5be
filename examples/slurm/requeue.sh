#!/bin/bash
# A training longer than the partition allows, queued again until it is done: sbatch requeue.sh CONFIG
#SBATCH --job-name=cnn
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#SBATCH --signal=USR1@300

# Five minutes before the end Slurm sends SIGUSR1 to the job's steps (srun hands it on): cnn saves and exits with 75, which is
# the one code that means "go on later". All others end the job for good: 0 done, 2 a mistake in the config, 65 bad data, ...
srun cnn train "$1" --run "runs/$SLURM_JOB_NAME-$SLURM_JOB_ID" --resume
code=$?
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
