"""Text from labels, as XML and YAML can hold it."""

from __future__ import annotations

import re

import orjson

__all__ = ["xml_text", "yaml_string"]

# XML 1.0 has no way to write other characters, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Characters that YAML readers refuse, or take for line breaks, unless they are escaped.
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """Return text in which U+FFFD replaces each character that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def yaml_string(text: str) -> str:
    r"""Return text as a YAML string in double quotes.

    Examples
    --------
    >>> print(yaml_string('50 % "off"'))
    "50 % \"off\""
    """
    # A JSON string is a YAML string, except for the characters that JSON leaves unescaped.
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", orjson.dumps(text).decode())
