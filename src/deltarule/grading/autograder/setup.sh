#!/usr/bin/env bash
# Makes /autograder/venv with a Python that deltarule can use; run_autograder repeats what fails here.
cd /autograder
log=/autograder/setup.log

make_environment() {
  apt-get update && apt-get install -y python3 python3-pip python3-venv
  for python in python3 python3.13 python3.12 python3.11; do
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      [ "$python" = python3 ] || apt-get install -y "$python" "$python-venv" || continue
      "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    fi
    "$python" -m venv venv && return
  done
  python3 -m pip install uv && python3 -m uv venv --seed --python 3.12 venv  # brings its own Python
}

{
  make_environment &&
    venv/bin/pip install --constraint source/versions.txt --requirement source/requirements.txt
} > "$log" 2>&1 || {
  echo "setup.sh could not install deltarule with Python 3.11 or newer: $(tail -n 1 "$log")" | tee setup.failed
  exit 1
}
