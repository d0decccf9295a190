import docker
from lanes import serve

client = docker.from_env()


def run():
    return client.containers.run(
        "paddock/python:3", ["python3", "-c", "print('first')"], network_mode="none", mem_limit="512m",
        memswap_limit="512m", nano_cpus=1_000_000_000, pids_limit=128, cap_drop=["ALL"], read_only=True, remove=True,
        security_opt=["no-new-privileges"]).decode()


serve(run)
