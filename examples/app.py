"""A Lambda function, as one would deploy it. hello.py and testcase.py run it."""


def handler(event, context):
    print(f"greeting {event['name']}")
    return {"message": f"Hello, {event['name']}!", "by": context.function_name}
