# The provider sandbox, for development only: docker build -f deploy/sandbox.Dockerfile .

FROM python:3.11-slim-bookworm
WORKDIR /sandbox
COPY requirements/sandbox.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/sandbox.txt
COPY libs/rapport-devkit/src/rapport_devkit rapport_devkit
USER 10001:10001
EXPOSE 8000 2525
ENTRYPOINT ["python", "-m", "rapport_devkit.sandbox"]
CMD ["--host=0.0.0.0", "--http-port=8000", "--smtp-port=2525", "--log=/tmp/deliveries.jsonl"]
