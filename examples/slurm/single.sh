#!/bin/bash
# One training, started again by hand if its time runs out: sbatch single.sh CONFIG
#SBATCH --job-name=cnn
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%j.log

# cnn takes as many threads as Slurm grants (SLURM_CPUS_PER_TASK). It stops by itself before Slurm would kill it, saves, and
# exits with 75; the same line goes on from there, starts a new run where there is none, and is done at once where all is done.
exec cnn train "$1" --run "runs/$SLURM_JOB_NAME" --resume --max-time 3h50m
