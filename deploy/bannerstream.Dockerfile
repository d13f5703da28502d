# One image for every service, selected by its command. Build from the repository's root:
#     docker build -f deploy/bannerstream.Dockerfile -t bannerstream .
# With the libraries of language and diffusion models (several GB): --build-arg REQUIREMENTS=gpu

FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG REQUIREMENTS=base
# Letters of scripts for which the extra `fonts` has no package (Bengali, Georgian, ...).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-noto-core \
    && rm -rf /var/lib/apt/lists/*
COPY requirements /requirements
# Without pip's check of dependencies: pyproject.toml overrides two of them ([tool.uv]).
RUN pip install --no-cache-dir --no-deps --require-hashes -r /requirements/${REQUIREMENTS}.txt \
    && pip install --no-cache-dir --no-deps --require-hashes -r /requirements/fonts.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl \
    && useradd --system --uid 10001 --home-dir /home/bannerstream --create-home bannerstream
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /home/bannerstream
ENTRYPOINT ["bannerstream"]
CMD ["--help"]
