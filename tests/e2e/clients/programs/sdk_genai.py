"""Google's SDK for Python, streaming, thoughts included, with a loop over function calls."""

from typing import Any

from google import genai
from google.genai import types
from tools import KEY, MODEL, MOST_TURNS, PROMPT, SCHEMAS, TOOLS, URL


def mend(client: Any) -> str:
    declared = [
        types.FunctionDeclaration(name=name, description=text, parameters_json_schema=schema)
        for name, text, schema in SCHEMAS
    ]
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[types.Tool(function_declarations=declared)],
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=PROMPT)])]
    for _ in range(MOST_TURNS):
        parts: list[Any] = []
        for chunk in client.models.generate_content_stream(model=MODEL, contents=contents, config=config):
            parts += (
                (chunk.candidates[0].content and chunk.candidates[0].content.parts) or [] if chunk.candidates else []
            )
        calls = [part.function_call for part in parts if part.function_call]
        if not calls:
            return "".join(part.text for part in parts if part.text and not part.thought)
        contents.append(types.Content(role="model", parts=parts))
        contents.append(types.Content(role="user", parts=[_result(call) for call in calls]))
    return ""


def _result(call: Any) -> Any:
    response = {"result": TOOLS[call.name](**call.args)}
    return types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response=response))


if __name__ == "__main__":
    print(mend(genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))))
