from lanes import serve
from tako_vm import Sandbox

sandbox = Sandbox(image="paddock-bench-tako:1", auto_build=False)


def run():
    result = sandbox.run("print('first')")
    return result.stdout if result.success else str(result)


with sandbox:
    serve(run)
