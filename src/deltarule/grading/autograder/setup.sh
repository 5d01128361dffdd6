#!/usr/bin/env bash
set -e
apt-get update && apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/venv
wheel=$(echo /autograder/source/deltarule-*.whl)
/autograder/venv/bin/pip install --constraint /autograder/source/versions.txt "${wheel}[notebook]"
