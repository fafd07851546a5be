#!/bin/bash
# One training divided between processes on several machines: sbatch mpi.sh CONFIG
#SBATCH --job-name=cnn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#SBATCH --signal=USR1@300

# Any number of processes gives the same bits, so that a job can go on with more or fewer of them. train.batch_size is that of
# all processes together, 32 images at least for each. --mpi=pmi2 is for MPICH (the wheel on PyPI, too); a site's own Open MPI
# wants --mpi=pmix. A warning signal comes as SIGUSR1: Open MPI does not let processes answer SIGTERM.
srun --mpi=pmi2 cnn train "$1" --run "runs/$SLURM_JOB_NAME-$SLURM_JOB_ID" --resume
code=$?
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
