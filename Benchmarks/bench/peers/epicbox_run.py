import logging

import epicbox
import structlog
from lanes import serve

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
epicbox.configure(profiles=[epicbox.Profile("python", "paddock/python:3", read_only=True)])


def run():
    result = epicbox.run(
        "python", "python3 -c \"print('first')\"", limits={"cputime": 10, "realtime": 60, "memory": 512, "processes": 128})
    return result["stdout"].decode() or str(result)


serve(run)
