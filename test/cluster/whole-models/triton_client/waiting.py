"""Many requests at a time, streams, and requests that are given up: by the server's queue, by a time limit, by the client."""
import asyncio
import queue

import numpy as np
from kind import loop, plain, said
from tritonclient.utils import InferenceServerException


def number(kind, n):
    return [kind.tensor("INPUT0", np.array([[n]], np.int64), "INT64")]


def term(kind, n):
    return [kind.tensor("INPUT", np.array([[n]], np.int32), "INT32")]


def first(answer, name="OUTPUT0"):
    return int(answer.as_numpy(name)[0][0])


# All that an inference can be told, as a sequence's only step.
WHOLE = {"model_version": "1", "request_id": "mine", "sequence_id": 5, "sequence_start": True, "sequence_end": True}
TOLD = {**WHOLE, "priority": 1, "timeout": 60_000_000, "parameters": {"mine": 1}}


def many(kind, client, results):
    numbers = range(16)
    told = {**TOLD, "outputs": [kind.output("OUTPUT")], "headers": {"x-team": "one"}}
    if kind.http:
        told |= {"query_params": {"team": "one"}, "request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}
    else:
        told |= {"client_timeout": 60, "compression_algorithm": "gzip"}
    if kind.aio:
        limits = {"conn_limit": 8, "conn_timeout": 60} if kind.http else {}
        pool = kind.connect(**limits)

        async def all_of_them():
            return await asyncio.gather(*(pool.it.infer("identity_INT64", number(kind, n)) for n in numbers))

        results["at_a_time"] = [first(answer) for answer in loop.run_until_complete(all_of_them())]
        results["told"] = first(pool.infer("sums", term(kind, 9), **told), "OUTPUT")
        pool.close()
    elif kind.http:
        pool = kind.connect(concurrency=8, connection_timeout=60, network_timeout=60, max_greenlets=8)
        pending = [pool.async_infer("identity_INT64", number(kind, n)) for n in numbers]
        results["at_a_time"] = [first(request.get_result()) for request in pending]
        results["told"] = first(pool.async_infer("sums", term(kind, 9), **told).get_result(block=True, timeout=60), "OUTPUT")
        pool.infer("sums", term(kind, 9), **told)
        pool.close()
    else:
        answers = queue.Queue()
        for n in numbers:
            client.async_infer("identity_INT64", number(kind, n), lambda result, error, n=n: answers.put((n, result, error)))
        got = dict((n, first(result)) for n, result, error in (answers.get(timeout=60) for _ in numbers))
        results["at_a_time"] = [got[n] for n in numbers]
        client.async_infer("sums", term(kind, 9), lambda result, error: answers.put(result), **told)
        results["told"] = first(answers.get(timeout=60), "OUTPUT")
    many_answers(kind, client, results)
    if not kind.http:
        streams(kind, client, results)
        channel_options(kind, results)


def streams(kind, client, results):
    """Numbers, a request that fails among them, and a sequence."""
    asked = [("identity_INT64", number(kind, n), {"request_id": f"n{n}"}) for n in range(4)]
    asked.insert(2, ("identity_INT64", term(kind, 1), {"request_id": "bad"}))
    asked += [("sums", term(kind, n), {**TOLD, "sequence_start": n == 1, "sequence_end": n == 3}) for n in (1, 2, 3)]

    def told(result):
        final = result.get_response().parameters["triton_final_response"].bool_param
        return [result.get_response().id, first(result, result.get_response().outputs[0].name), final]

    results["streamed"] = through(kind, client, asked, len(asked), told)


def through(kind, client, asked, count, told):
    """What comes back for requests on one stream: of each message what `told` makes of it, or the error's text."""
    seen = []

    def take(result, error):
        seen.append(told(result) if error is None else error.message())

    if kind.aio:

        async def requests():
            for model, inputs, options in asked:
                yield {"model_name": model, "inputs": inputs, **options}

        async def read():
            given = {"stream_timeout": 60, "headers": {"x-team": "one"}, "compression_algorithm": "gzip"}
            async for result, error in client.it.stream_infer(requests(), **given):
                take(result, error)

        loop.run_until_complete(read())
    else:
        done = queue.Queue()

        def taken(result, error):
            take(result, error)
            done.put(None)

        client.start_stream(taken, stream_timeout=60, headers={"x-team": "one"}, compression_algorithm="gzip")
        for model, inputs, options in asked:
            client.async_stream_infer(model, inputs, **options)
        for _ in range(count):
            done.get(timeout=60)
        client.stop_stream()
    return seen


def many_answers(kind, client, results):
    """Triton's sample model `repeat_int32`, which answers any number of times."""
    values = np.array([7, 8, 9], np.int32)
    inputs = [
        kind.tensor("IN", values, "INT32"),
        kind.tensor("DELAY", np.array([1, 1, 1], np.uint32), "UINT32"),
        kind.tensor("WAIT", np.array([1], np.uint32), "UINT32"),
    ]
    results["not_decoupled"] = said(client.infer, "repeat_int32", inputs)
    if kind.http:
        return

    def told(result):
        answer = result.get_response()
        out = None if len(answer.outputs) == 0 else int(result.as_numpy("OUT")[0])
        return [answer.id, out, answer.parameters["triton_final_response"].bool_param]

    results["answers"] = through(kind, client, [("repeat_int32", inputs, {"request_id": "r"})], 3, told)
    # The asynchronous client cannot ask for the final message.
    if not kind.aio:
        asked = [("repeat_int32", inputs, {"request_id": "f", "enable_empty_final_response": True, "outputs": [kind.output("OUT")]})]
        results["answers_final"] = through(kind, client, asked, 4, told)


def channel_options(kind, results):
    keepalive = kind.module.KeepAliveOptions(
        keepalive_time_ms=600_000, keepalive_timeout_ms=5_000, keepalive_permit_without_calls=True, http2_max_pings_without_data=1
    )
    with_keepalive = kind.connect(keepalive_options=keepalive)
    with_arguments = kind.connect(channel_args=[("grpc.max_receive_message_length", 1 << 20)])
    results["channels"] = [with_keepalive.is_server_live(), with_arguments.is_server_live()]
    with_keepalive.close()
    with_arguments.close()


def patience(kind, results):
    """The model `patient` waits 30 s for a full batch: who asks alone gives up, or is given up."""
    row = [kind.tensor("INPUT0", np.ones((1, 2), np.float32), "FP32")]
    client = kind.connect()
    results["queue_timeout"] = said(client.infer, "patient", row, timeout=20_000)
    if kind.http:
        hasty = kind.connect(**({"conn_timeout": 0.3} if kind.aio else {"network_timeout": 0.3}))
        results["client_timeout"] = raised(hasty.infer, "patient", row)
        if not kind.aio:
            waiting = hasty.async_infer("patient", row)
            results["not_yet"] = said(waiting.get_result, block=True, timeout=0.05)
        hasty.close()
    else:
        results["client_timeout"] = said(client.infer, "patient", row, client_timeout=0.1)["status"]
        (canceled_tasks if kind.aio else canceled_calls)(kind, client, row, results)
    if kind.aio and kind.http:
        canceled_tasks(kind, client, row, results)
    client.close()


def canceled_calls(kind, client, row, results):
    answers = queue.Queue()
    client.async_infer("patient", row, lambda result, error: answers.put(error)).cancel()
    results["canceled"] = answers.get(timeout=60).status()
    client.start_stream(lambda result, error: answers.put(error))
    client.async_stream_infer("patient", row)
    client.stop_stream(cancel_requests=True)
    results["canceled_stream"] = answers.get(timeout=60).status()


def canceled_tasks(kind, client, row, results):
    async def give_up():
        task = asyncio.ensure_future(client.it.infer("patient", row))
        await asyncio.wait([task], timeout=0.1)
        task.cancel()
        await task

    try:
        loop.run_until_complete(give_up())
    except asyncio.CancelledError:
        results["canceled"] = True
    if kind.http:
        return

    async def requests():
        yield {"model_name": "patient", "inputs": row}
        await asyncio.sleep(60)

    async def stream():
        answers = client.it.stream_infer(requests())
        loop.call_later(0.1, answers.cancel)
        async for _ in answers:
            pass

    results["canceled_stream"] = raised(lambda: loop.run_until_complete(stream()))


def raised(call, *args):
    try:
        call(*args)
    except (Exception, asyncio.CancelledError) as thrown:
        return thrown.status() if isinstance(thrown, InferenceServerException) else type(thrown).__name__
    return None
