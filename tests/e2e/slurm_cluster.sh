#!/usr/bin/env bash
# slurm_cluster.sh DIR: a Slurm of one node on this machine, with all of its files in DIR, until it is told to stop (SIGTERM). DIR/ready appears when jobs
# can be submitted, DIR/slurm.conf is what SLURM_CONF names then. Exit code 77, and a sentence, where it cannot be: not root, or Debian's packages missing.
set -euo pipefail
dir=$1
PATH=$PATH:/usr/sbin:/sbin
skip() { echo "$*" && exit 77; }
[ "$(id -u)" = 0 ] || skip "Slurm's daemons are started by root alone"
for program in munged slurmctld slurmd sbatch squeue scancel; do
  command -v $program >/dev/null || skip "there is no $program: apt-get install slurmctld slurmd slurm-client munge"
done

mkdir -p "$dir"/{state,spool,log}
(umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
host=$(hostname -s)
# Ports that others leave alone: two builds may be tested at once.
port=$((20000 + $$ % 20000 / 2 * 2))
cat >"$dir/slurm.conf" <<END
ClusterName=cdc
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=20
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=100 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$dir/slurm.conf

daemons=()
stop() {
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do kill "${daemons[i]}" 2>/dev/null || true; done
  wait
  exit 0
}
trap stop TERM INT
munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" \
  --seed-file="$dir/munge.seed" >"$dir/log/munged.out" 2>&1 &
daemons+=($!)
for _ in {1..100}; do [ -S "$dir/munge.socket" ] && break || sleep 0.05; done
slurmctld -D >"$dir/log/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D >"$dir/log/slurmd.out" 2>&1 &
daemons+=($!)
for _ in {1..200}; do
  [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && touch "$dir/ready" && break || sleep 0.1
done
[ -e "$dir/ready" ] || { tail -n 20 "$dir"/log/* && stop; }
wait
