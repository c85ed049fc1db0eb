"""OpenAI's own Python client, plain and async: prints what came of it as JSON.

Usage: openai_client.py MODEL URL URL_OF_ONE_THAT_STOPS_AFTER_TWO_TOKENS URL_OF_ONE_THAT_FAILS_THERE
"""
import asyncio
import json
import sys

import openai

model, url, held_url, failing_url = sys.argv[1:]
MESSAGES = [{"role": "user", "content": "What is a nereid?"}]
CHAT = {"model": model, "messages": MESSAGES, "seed": 11, "temperature": 1}
TOOL = {"type": "function", "function": {"name": "swim", "parameters": {"type": "object", "properties": {}}}}


def options(base):
    return {"base_url": f"{base}/v1", "api_key": "any", "max_retries": 0}


def refusal(error):
    return [type(error).__name__, getattr(error, "status_code", None), error.code, error.param]


def refused(call):
    try:
        call()
    except openai.APIError as error:
        return refusal(error)
    return "not refused"


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def plain():
    client = openai.OpenAI(**options(url))
    chat, completions = client.chat.completions, client.completions
    whole = chat.create(**CHAT)
    chunks = list(chat.create(**CHAT, stream=True, stream_options={"include_usage": True}))
    with chat.stream(**CHAT) as stream:
        helped = stream.get_final_completion()
    text = {"model": model, "prompt": ["one", "one two"], "n": 2, "seed": 4, "max_tokens": 3}
    parts = ["", "", "", ""]
    for chunk in completions.create(**text, stream=True):
        for choice in chunk.choices:
            parts[choice.index] += choice.text
    return {
        "chat": [text_of(chunks) == whole.choices[0].message.content, whole.choices[0].finish_reason, "\ufffd" in text_of(chunks)],
        "one_stream": len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}),
        "usage": [chunks[-1].choices, chunks[-1].usage == whole.usage, whole.usage.prompt_tokens],
        "helper": helped.choices[0].message.content == whole.choices[0].message.content,
        "logprobs": chat.create(**CHAT, logprobs=True, top_logprobs=2).choices[0].logprobs.content[0].logprob,
        "completions": parts == [choice.text for choice in completions.create(**text).choices],
        "models": [[one.id for one in client.models.list()], client.models.retrieve(model).id],
        "refused": {
            "model": refused(lambda: chat.create(**{**CHAT, "model": "nope"})),
            "retrieve": refused(lambda: client.models.retrieve("a/b")),
            "context": refused(lambda: chat.create(**CHAT, max_tokens=5000)),
            "temperature": refused(lambda: chat.create(**{**CHAT, "temperature": 3})),
            "tools": refused(lambda: chat.create(**CHAT, tools=[TOOL])),
            "tool_choice": refused(lambda: chat.create(**CHAT, tool_choice="required")),
            "json": refused(lambda: chat.create(**CHAT, response_format={"type": "json_object"})),
            "embeddings": refused(lambda: client.embeddings.create(model=model, input="sea")),
            "mid_stream": refused(lambda: list(openai.OpenAI(**options(failing_url)).chat.completions.create(**CHAT, stream=True))),
        },
        "left": leave(),
    }


def leave():
    with openai.OpenAI(**options(held_url)).chat.completions.create(**CHAT, stream=True) as stream:
        return next(text for chunk in stream if (text := chunk.choices[0].delta.content)) != ""


async def through_async():
    async with openai.AsyncOpenAI(**options(url)) as client:
        whole = await client.chat.completions.create(**CHAT)
        chunks = [chunk async for chunk in await client.chat.completions.create(**CHAT, stream=True)]
        models = [one.id async for one in client.models.list()]
    async with openai.AsyncOpenAI(**options(held_url)) as client:
        waiting = asyncio.create_task(read_all(client))
        await STARTED.wait()
        waiting.cancel()
        ended = await asyncio.gather(waiting, return_exceptions=True)
    return {
        "chat": text_of(chunks) == whole.choices[0].message.content,
        "models": models,
        "canceled": type(ended[0]).__name__,
    }


STARTED = asyncio.Event()


async def read_all(client):
    async with await client.chat.completions.create(**CHAT, stream=True) as stream:
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                STARTED.set()


print(json.dumps({"plain": plain(), "async": asyncio.run(through_async())}))
