"""Uses the control API as anybody's program would: by its protocol files, with gRPC for Python.

usage: client.py PROTO_FOLDER TARGET

Prints a line of JSON for each thing it did. Exits 1 when something is not as it should be.
"""

import importlib
import json
import os
import sys
import tempfile

import grpc
from grpc_tools import protoc


def compile_protocol(folder, out):
    include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
    files = ["apus/v1/control.proto", "grpc/health/v1/health.proto",
             "grpc/reflection/v1/reflection.proto"]
    status = protoc.main(["protoc", f"-I{folder}", f"-I{include}", f"--python_out={out}",
                          f"--grpc_python_out={out}", *files])
    assert status == 0, "protoc failed"
    # The package grpc is installed already; ours add to it.
    grpc.__path__.append(os.path.join(out, "grpc"))
    sys.path.insert(0, out)


def say(step, **fields):
    print(json.dumps({"step": step, **fields}), flush=True)


def main():
    folder, target = sys.argv[1:]
    out = tempfile.mkdtemp(prefix="apus-peer-")
    compile_protocol(folder, out)
    control = importlib.import_module("apus.v1.control_pb2")
    stubs = importlib.import_module("apus.v1.control_pb2_grpc")
    health = importlib.import_module("grpc.health.v1.health_pb2")
    health_stubs = importlib.import_module("grpc.health.v1.health_pb2_grpc")
    reflection = importlib.import_module("grpc.reflection.v1.reflection_pb2")
    reflection_stubs = importlib.import_module("grpc.reflection.v1.reflection_pb2_grpc")

    with grpc.insecure_channel(target) as channel:
        api = stubs.ControlStub(channel)
        status = api.Status(control.StatusRequest(), timeout=20)
        say("status", generation=status.generation, forwarding=status.forwarding)

        watcher = api.Watch(control.WatchRequest(), timeout=20)
        say("watch", generation=next(watcher).status.generation)

        def change():
            yield control.ApplyRequest(header=control.ApplyHeader(scope=control.SCOPE_WHOLE))
            text = "# größer\nversion: 1\n".encode() * 20000
            for start in range(0, len(text), 65537):
                yield control.ApplyRequest(chunk=control.DocumentChunk(
                    name="vpc.yaml" if start == 0 else "", text=text[start:start + 65537]))

        outcome = api.Apply(change(), timeout=20)
        say("apply", generation=outcome.generation, changes=outcome.change_count)
        say("watch", generation=next(watcher).status.generation)
        watcher.cancel()

        objects = [o for part in api.Get(control.GetRequest(), timeout=20) for o in part.objects]
        say("get", objects=[f"{o.reference.kind}/{o.reference.id}" for o in objects])

        try:
            api.Apply(iter([control.ApplyRequest(header=control.ApplyHeader(
                scope=control.SCOPE_WHOLE, expected_generation=1))]), timeout=20)
            say("conflict", code="OK")
        except grpc.RpcError as error:
            say("conflict", code=error.code().name, text=error.details())

        try:
            list(api.Get(control.GetRequest(kind="dragons"), timeout=20))
            say("wrong", code="OK")
        except grpc.RpcError as error:
            say("wrong", code=error.code().name, text=error.details())

        check = health_stubs.HealthStub(channel).Check(health.HealthCheckRequest(), timeout=20)
        say("health", status=health.HealthCheckResponse.ServingStatus.Name(check.status))

        questions = [reflection.ServerReflectionRequest(list_services=""),
                     reflection.ServerReflectionRequest(
                         file_containing_symbol="apus.v1.Control.Apply")]
        answers = list(reflection_stubs.ServerReflectionStub(channel).ServerReflectionInfo(
            iter(questions), timeout=20))
        from google.protobuf import descriptor_pb2
        files = [descriptor_pb2.FileDescriptorProto.FromString(data)
                 for data in answers[1].file_descriptor_response.file_descriptor_proto]
        say("reflection", services=[s.name for s in answers[0].list_services_response.service],
            files=[file.name for file in files],
            methods=[method.name for method in files[0].service[0].method])


main()
