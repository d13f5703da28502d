# One image for every service, selected by its command. Build from the repository's root:
#     docker build -f deploy/bannerstream.Dockerfile -t bannerstream .
# With the libraries of language and diffusion models (several GB): --build-arg REQUIREMENTS=gpu

FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG REQUIREMENTS=base
# The system's Noto fonts cover scripts beyond Latin, Greek and Cyrillic.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-noto-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*
COPY requirements /requirements
RUN pip install --no-cache-dir --require-hashes -r /requirements/${REQUIREMENTS}.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl \
    && useradd --system --uid 10001 --home-dir /home/bannerstream --create-home bannerstream
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /home/bannerstream
ENTRYPOINT ["bannerstream"]
CMD ["--help"]
