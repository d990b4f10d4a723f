# For python:3.13-slim: `python` and pip outside of any environment, as root.
ARG BASE
FROM $BASE
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3 /usr/local/bin/python
CMD ["python3"]
