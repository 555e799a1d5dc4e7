# docker build -t overparam . && docker run -v "$PWD/logs:/lab/logs" overparam -m experiment=model_wise
# Arguments are those of scripts/train.py. With CUDA's libraries: docker build --build-arg TORCH=default, docker run --gpus all
FROM python:3.13-slim-bookworm AS base

# make installs the lab, git names the commit of a run's code, and compile=true needs g++.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/*

FROM base AS lab
ARG TORCH=cpu
WORKDIR /lab
# What is installed changes less often than what is not: this layer is kept until these files change.
COPY pyproject.toml requirements.lock README.md LICENSE Makefile ./
COPY src src
COPY configs configs
RUN PIP_NO_CACHE_DIR=1 make .venv/.ready TORCH="$TORCH"
COPY . .

# Without an account W&B logs offline, into logs/.
ENV PATH=/lab/.venv/bin:$PATH WANDB_MODE=offline
ENTRYPOINT ["python", "scripts/train.py"]
