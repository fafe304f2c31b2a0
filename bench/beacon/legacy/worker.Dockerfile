# As found: the source goes in ahead of the dependencies, so every change installs them all anew.
FROM python:3.13-slim
WORKDIR /beacon
COPY . .
RUN pip install --no-cache-dir --requirement worker/requirements.txt \
    && pip install --no-cache-dir --no-deps ./libs ./worker
USER 10001:10001
CMD ["python", "-m", "beacon_worker"]
