#!/usr/bin/env bash
# Takes the scripts of docs/sweeps.md through a real Slurm of one node: each runs a small sweep whole, and one that is
# cancelled in the middle and submitted again. All end in the bytes of a sweep on this machine without Slurm.
#
# Needs .venv (`make setup`), and Debian's slurm-wlm and munge, which are installed where apt-get may; else it skips.
# CPUS=1 gives the jobs one core. Everything lies in a temporary folder: the machine's own Slurm, if any, is not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
CPUS=${CPUS:-2}

skip() { echo "Skipped: $*"; exit 0; }

have() { command -v slurmctld slurmd munged sbatch >/dev/null; }
if ! have && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null 2>&1 || true
fi
have || skip "slurm-wlm and munge are not installed, and could not be."
[ "$(nproc)" -ge "$CPUS" ] || skip "$CPUS cores are asked for, and $(nproc) are here."

where=$(mktemp -d)
chmod 755 "$where"
mkdir -m 755 "$where/munge" "$where/spool" "$where/state"
export SLURM_CONF=$where/slurm.conf
started=()
finish() {
    scancel --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 40); do [ "$(squeue --noheader 2>/dev/null)" ] || break; sleep 0.5; done  # its processes end first
    kill "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    if [ "${KEEP:-}" ]; then echo "Kept: $where"; else rm -rf "$where"; fi
}
trap finish EXIT

# -- one node --

node=$(hostname -s)
cat >"$SLURM_CONF" <<END
ClusterName=gnode
SlurmctldHost=$node(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$where/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=10
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$where/state
SlurmdSpoolDir=$where/spool
SlurmctldPidFile=$where/slurmctld.pid
SlurmdPidFile=$where/slurmd.pid
SlurmctldLogFile=$where/slurmctld.log
SlurmdLogFile=$where/slurmd.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
(umask 077 && head -c 1024 /dev/urandom >"$where/munge/key")
munged --foreground --socket="$where/munge/socket" --key-file="$where/munge/key" --pid-file="$where/munge/pid" \
    --seed-file="$where/munge/seed" --log-file="$where/munge/log" 2>/dev/null &
started+=($!)
until [ -S "$where/munge/socket" ]; do kill -0 "${started[0]}"; sleep 0.2; done
slurmctld -D >/dev/null 2>&1 &
started+=($!)
slurmd -D >/dev/null 2>&1 &
started+=($!)
for attempt in $(seq 60); do
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
    [ "$attempt" -lt 60 ] || { tail "$where"/slurm*.log; echo "Slurm did not start."; exit 1; }
    sleep 0.5
done
sinfo --version

# -- the scripts, as the page has them: the first two blocks that begin with #!/bin/bash --

awk -v where="$where" '/^```/ { inside = 0 } inside { print > file } /^```bash$/ { getline; if (/^#!/) { inside = 1; n += 1;
    file = where "/" (n == 1 ? "sweep" : "sweep-ray") ".sbatch"; print > file } }' docs/sweeps.md
cat >"$where/experiment.toml" <<END
[task]
name = "ring"
bins = 40
[model]
state_size = 2
hidden = [8]
[training]
epochs = 60
batch_size = 5
train_trials = 100
validation_trials = 10
test_trials = 10
[grid]
model = ["gnode", "node"]
[sweep]
seeds = 2
END
RUNS=4

submit() { # script, directory
    sbatch --parsable --nodes=1 --cpus-per-task="$CPUS" --output="$where/$(basename "$2").log" \
        "$where/$1.sbatch" "$where/experiment.toml" "$2"
}
state() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p'; }
finished() { find "$1/runs" -name summary.json 2>/dev/null | wc -l; }
ended() { # job, the state that it is to end in
    for _ in $(seq 300); do
        case $(state "$1") in
        PENDING | RUNNING | COMPLETING) sleep 0.5 ;;
        "$2") return ;;
        *) break ;;
        esac
    done
    tail -n 20 "$where"/*.log
    echo "Job $1 is $(state "$1"), not $2."
    exit 1
}

# What the script of Ray relies on: a step has all cores of its job.
cat >"$where/cores.sbatch" <<'END'
#!/bin/bash
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
srun --overlap nproc
END
ended "$(submit cores "$where/cores")" COMPLETED
[ "$(cat "$where/cores.log")" = "$CPUS" ] || { cat "$where/cores.log"; echo "A step has not the cores of its job."; exit 1; }

source .venv/bin/activate
gnode sweep "$where/experiment.toml" --out "$where/here" --workers 1 2>/dev/null
for script in sweep sweep-ray; do
    job=$(submit $script "$where/$script-whole")
    ended "$job" COMPLETED
    python -m tests.cluster.agree "$where/here" "$where/$script-whole"

    out=$where/$script-cancelled
    job=$(submit $script "$out")
    until [ "$(finished "$out")" -ge 1 ]; do
        [ "$(state "$job")" != FAILED ] || ended "$job" COMPLETED
        sleep 0.05
    done
    scancel "$job"
    ended "$job" CANCELLED
    before=$(finished "$out")
    [ "$before" -lt $RUNS ] || { echo "The sweep was done before it was cancelled: give it more epochs."; exit 1; }
    echo "$script: cancelled with $before of $RUNS runs finished"
    ended "$(submit $script "$out")" COMPLETED
    python -m tests.cluster.agree "$where/here" "$out"
done
