# As found: the source goes in ahead of the dependencies, so every change installs them all anew.
FROM python:3.13-slim
WORKDIR /beacon
COPY . .
RUN pip install --no-cache-dir --requirement api/requirements.txt \
    && pip install --no-cache-dir --no-deps ./libs ./api
USER 10001:10001
CMD ["python", "-m", "beacon_api"]
