"""Model lists in each dialect."""

from typing import Any

from tokenharbor.wire import DIALECTS


def shown(name: str, *surfaces: str) -> dict[str, Any]:
    return {
        "id": name,
        "display_name": name.title(),
        "context_length": 200_000,
        "max_output_tokens": 64_000,
        "surfaces": list(surfaces),
    }


CHATS = shown("haiku", "chat")
SOUND = shown("whisper", "transcriptions")


def listed(*models: dict[str, Any]) -> dict[str, Any]:
    """All dialects' members together, as one path shows them."""
    found: dict[str, Any] = {}
    for dialect in DIALECTS.values():
        for name, value in dialect.write_models(models).items():
            assert found.setdefault(name, value) == value, "two dialects differ in a member"
    return found


def test_the_list_has_both_envelopes_and_geminis_models() -> None:
    found = listed(SOUND, CHATS)
    assert found["object"] == "list"
    assert [each["id"] for each in found["data"]] == ["whisper", "haiku"]
    assert (found["has_more"], found["first_id"], found["last_id"]) == (False, "whisper", "haiku")
    assert found["models"][1] == {
        "name": "models/haiku",
        "displayName": "Haiku",
        "inputTokenLimit": 200_000,
        "outputTokenLimit": 64_000,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


def test_a_model_of_another_medium_has_none_of_geminis_methods() -> None:
    assert DIALECTS["gemini"].write_model(SOUND)["supportedGenerationMethods"] == []


def test_an_empty_list_has_no_ends() -> None:
    found = listed()
    assert (list(found["data"]), found["first_id"], found["last_id"]) == ([], None, None)


def test_a_model_alone_is_the_catalogues_object_but_for_gemini() -> None:
    assert {name for name, dialect in DIALECTS.items() if dialect.write_model(CHATS) == CHATS} == DIALECTS.keys() - {
        "gemini"
    }
