"""Lines of a TOML file: the first line of each table and field, whatever is between them."""

import tomllib

from tokenharbor.kernel.toml_lines import key_lines

TEXT = '''# a comment with = and [
top = 1

[price]  # of all
fee = 3
by_model = [
    { "a=b" = 1 }, # [not.a.table]
]
text = """
[not.a.table]
x = 1 \\"""
""""
other = 'a # no comment'
after = """quoted"""""

[plans."Big One".sub]
'single' = ["[", "]",
    "=" ]
last = 2
[[rows]]
x.y = 3
'''


def test_each_key_has_the_line_that_states_it() -> None:
    assert tomllib.loads(TEXT)["rows"] == [{"x": {"y": 3}}]
    assert key_lines(TEXT) == {
        ("top",): 2,
        ("price",): 4,
        ("price", "fee"): 5,
        ("price", "by_model"): 6,
        ("price", "text"): 9,
        ("price", "other"): 13,
        ("price", "after"): 14,
        ("plans",): 16,
        ("plans", "Big One"): 16,
        ("plans", "Big One", "sub"): 16,
        ("plans", "Big One", "sub", "single"): 17,
        ("plans", "Big One", "sub", "last"): 19,
        ("rows",): 20,
        ("rows", "x"): 21,
        ("rows", "x", "y"): 21,
    }


def test_lines_that_end_as_on_windows_are_counted_once() -> None:
    assert key_lines('[a]\r\n"\\u0062" = 1\r\nc = 2') == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3}
