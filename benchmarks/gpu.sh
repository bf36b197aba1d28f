#!/bin/sh
# Everything about the GPU kernels that only a GPU can tell, in at most nine minutes: sh benchmarks/gpu.sh [RECORD]
#
# Versions and ceilings; every case against the CPU's text, and twice for equal bits; compute-sanitizer on three small
# cases; times beside torch.compile where PyTorch is installed; training steps on the host and on the device. Each part
# has a time limit of its own and writes its lines as it goes, so that what comes after a fault is still measured.
# DRY=1 goes through all of it in Numba's simulator, on sizes that mean nothing, and leaves the record of a device alone.
# PYTHON: the interpreter.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "${DRY:-}" ] && usual=$(mktemp) || usual=benchmarks/records/gpu.txt
record=${1:-$usual}
[ -z "${DRY:-}" ] || trap 'rm -f "$usual"' EXIT
python=${PYTHON:-python3}
export CONTINUA_THREADS="${CONTINUA_THREADS:-2}" PYTHONUNBUFFERED=1
[ -n "${DRY:-}" ] && export NUMBA_ENABLE_CUDASIM=1
failed=

part() { # seconds, then the part's name, perhaps behind a tool
    seconds=$1
    shift
    timeout "$seconds" "$@" >>"$record" 2>&1 && return
    echo "failed or out of time ($?): $*" >>"$record"
    failed="$failed $*;"
}

: >"$record" || exit 1
part 40 "$python" -m benchmarks.gpu ceilings
part 180 "$python" -m benchmarks.gpu cases
for tool in memcheck racecheck initcheck synccheck; do
    echo "$tool" >>"$record"
    if [ -z "${DRY:-}" ] && command -v compute-sanitizer >/dev/null; then
        part 30 compute-sanitizer --tool "$tool" --error-exitcode 9 "$python" -m benchmarks.gpu small
    else
        echo "compute-sanitizer is not at hand: the cases without it" >>"$record"
        part 30 "$python" -m benchmarks.gpu small
        break
    fi
done
part 100 "$python" -m benchmarks.gpu times
part 100 "$python" -m benchmarks.gpu training
cat "$record"
[ -z "$failed" ] || { echo "failed:$failed" >&2 && exit 1; }
