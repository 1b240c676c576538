"""Embeddings, retrieval and rerank: texts, query and documents as `{id?, content?, score?, metadata?}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from spanledger.mapping import messages as shapes
from spanledger.mapping.coerce import number
from spanledger.mapping.facts import Facts, Group
from spanledger.mapping.messages import parse_json
from spanledger.mapping.plain import plain_input, structured, unwrap_result
from spanledger.model.span import Event, Value

_QUERY_KEYS: Final = ("query", "input", "question", "text", "query_str", "prompt", "search_query")
_DOCUMENT_KEYS: Final = (
    "documents",
    "nodes",
    "results",
    "docs",
    "matches",
    "output",
    "outputs",
    "source_documents",
    "retrieved",
)
_TEXT_KEYS: Final = (
    "input", "texts", "text", "documents", "content", "inputs", "values", "value", "inputText", "contents", "query",
    "parts",
)  # fmt: skip


_PLACE: Final = re.compile(r"Doc (\d{1,5}), Score: ([\d.eE+-]{1,40})")


def embed_texts(span: Facts, request: Value, warnings: list[str]) -> list[str] | None:
    """Texts that were embedded. Vectors are not kept."""
    if span.oi_embeddings is not None:
        found = indexed_values(span.oi_embeddings, "embedding.text")
        if found:
            return [str(value) for value in found]
    for value in (span.embed_input, request):
        texts = text_list(value)
        if texts:
            return texts
    if span.prompt_indexed is not None:
        texts = []
        for value in indexed_values(span.prompt_indexed, "content"):
            texts.extend(text_list(value) or [])
        if texts:
            return texts
    for value in (span.input_messages, span.prompt, span.raw_input):
        if value is None:
            continue
        texts = text_list(value)
        if texts:
            return texts
        said = [
            shapes.text_of([m])
            for m in shapes.parse_messages(value, default_role="user", warnings=warnings, key="input")
        ]
        if any(said):
            return said
    return None


def vector_size(span: Facts) -> int | None:
    """Length of the embedding vectors, which themselves are not kept."""
    vectors: list[Value] = []
    if span.oi_embeddings is not None:
        vectors = indexed_values(span.oi_embeddings, "embedding.vector")
    elif span.embed_vectors is not None:
        value = structured(span.embed_vectors)
        vectors = value if isinstance(value, list) else []
    elif span.raw_output is not None:
        value = structured(span.raw_output)  # Langfuse: {"dimensions": 1536, "count": 1} in place of the vectors
        size = value.get("dimensions") if isinstance(value, dict) else None
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            return size
    if not vectors:
        return None
    first = structured(vectors[0])
    if isinstance(first, list):
        return len(first)
    return len(vectors) if isinstance(first, (int, float)) else None


def text_list(value: Value) -> list[str] | None:
    if isinstance(value, str):
        ok, parsed = parse_json(value)
        if ok and not isinstance(parsed, (int, float, bool)) and parsed is not None:
            return [parsed] if isinstance(parsed, str) else text_list(parsed)
        return [value]
    if isinstance(value, list):
        found: list[str] = []
        for element in value:
            if isinstance(element, str):
                ok, parsed = parse_json(element)
                found.append(parsed if ok and isinstance(parsed, str) else element)
            elif isinstance(element, dict):
                found.extend(text_list(element) or [])
            elif isinstance(element, list):
                inner = text_list(element) if element and isinstance(element[0], str) else None
                if inner is None:  # tokens
                    return None
                found.extend(inner)  # Langtrace for JavaScript packs the list once more
        return found or None
    if isinstance(value, dict):
        for key in (
            "input",
            "texts",
            "text",
            "documents",
            "content",
            "inputs",
            "values",
            "value",
            "inputText",
            "contents",
            "query",
            "parts",
        ):
            if value.get(key):
                return text_list(value[key])
    return None


def query_of(span: Facts) -> Value:
    """What a retrieval or rerank looked for."""
    for value in (span.rerank_query, span.retrieval_query):
        if value is not None:
            return value
    value = plain_input(span)
    if value is None:
        value = span.rest.get("db.query.text")
    if value is None:
        value = next(iter(_said(span.prompt_indexed, "user")), None)
    for _ in range(3):
        if not isinstance(value, dict):
            break
        for key in _QUERY_KEYS:
            if value.get(key):
                value = structured(value[key])
                break
        else:
            break
    return value


def documents_of(span: Facts, events: Sequence[Event]) -> list[dict[str, Value]] | None:
    """Retrieved documents as `{id?, content?, score?, metadata?}`."""
    for group in (span.oi_documents, span.rerank_output):
        if group is not None:
            found = _indexed_documents(group)
            if found:
                return found
    for value in (span.retrieval_documents, span.raw_output, span.completion):
        if value is not None:
            found = document_list(unwrap_result(structured(value)))
            if found:
                return found
    hits = [event.attributes for event in events if event.name == "db.query.result"]
    found = [_document({key.removeprefix("db.query.result."): value for key, value in hit.items()}) for hit in hits]
    return found or None


def rerank_documents(span: Facts) -> list[dict[str, Value]] | None:
    """Documents that a rerank was given."""
    if span.rerank_input is not None:
        return _indexed_documents(span.rerank_input) or None
    if span.rerank_documents is not None:
        texts = text_list(span.rerank_documents)
        return [{"content": content} for content in texts] if texts else None
    given = _said(span.prompt_indexed, "system")  # OpenLLMetry for Cohere: a conversation of documents and the query
    return [{"content": content} for content in given] or None


def ranking_of(span: Facts) -> list[dict[str, Value]] | None:
    """AI SDK rerank result: index and score per document, with the document when it stands on the span."""
    given = rerank_documents(span) or []
    ranked: list[dict[str, Value]] = []
    if span.ranking is None:
        for said in _said(span.completion_indexed, "assistant"):
            place = _PLACE.fullmatch(said) if isinstance(said, str) else None
            if place is None:
                return None
            at = int(place[1])
            document: dict[str, Value] = {"id": place[1]} | (given[at] if at < len(given) else {})
            ranked.append(document | {"score": number(place[2])})
        return ranked or None
    value = structured(span.ranking)
    for element in value if isinstance(value, list) else []:
        entry = structured(element)
        if not isinstance(entry, dict):
            continue
        index = number(entry.get("originalIndex", entry.get("index")))
        document = {"id": str(index)} if index is not None else {}
        if isinstance(index, int) and 0 <= index < len(given):
            document |= given[index]
        score = number(entry.get("score", entry.get("relevanceScore")))
        if score is not None:
            document["score"] = score
        ranked.append(document)
    return ranked or None


def _said(group: Group | None, role: str) -> list[Value]:
    """Contents of the messages of one role in a flattened conversation, in order."""
    if group is None:
        return []
    found: list[tuple[int, Value]] = []
    for key, value in group.items():
        index, _, rest = key.partition(".")
        if rest == "role" and value == role and index.isdecimal() and len(index) < 6:
            content = group.get(f"{index}.content")
            if content is not None:
                found.append((int(index), content))
    return [content for _, content in sorted(found, key=lambda pair: pair[0])]


def indexed_values(group: Group, suffix: str) -> list[Value]:
    """Values of `N.<suffix>` in the order of N."""
    found: list[tuple[int, Value]] = []
    for key, value in group.items():
        index, _, rest = key.partition(".")
        if rest == suffix and index.isdecimal() and len(index) < 6:
            found.append((int(index), value))
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def _indexed_documents(group: Group) -> list[dict[str, Value]]:
    documents: dict[int, dict[str, Value]] = {}
    for key, value in group.items():
        index, _, rest = key.partition(".")
        if index.isdecimal() and len(index) < 6 and rest.startswith("document."):
            documents.setdefault(int(index), {})[rest[9:]] = value
    return [_document(documents[index]) for index in sorted(documents)]


def document_list(value: Value, depth: int = 0) -> list[dict[str, Value]]:
    if isinstance(value, dict) and depth < 4:
        for key in _DOCUMENT_KEYS:
            inner = structured(value.get(key))
            if isinstance(inner, (list, dict)) and inner:
                return document_list(inner, depth + 1)
        return [_document(value)] if _document(value) else []
    if isinstance(value, list):
        return [_document(structured(element)) for element in value]
    if isinstance(value, str) and value:
        return [{"content": value}]
    return []


def _document(value: Value) -> dict[str, Value]:
    """One document of any shape; distance is not a score and keeps its name."""
    if not isinstance(value, dict):
        return {"content": value if isinstance(value, str) else str(value)}
    kwargs = value.get("kwargs")
    if isinstance(value.get("lc"), int) and isinstance(kwargs, dict):
        value = kwargs
    node = value.get("node")
    if isinstance(node, dict):
        value = {**node, **{key: held for key, held in value.items() if key != "node"}}
    found: dict[str, Value] = {}
    identity = value.get("id", value.get("id_", value.get("document_id")))
    if identity not in (None, ""):
        found["id"] = str(identity)
    for key in ("content", "page_content", "pageContent", "text", "document", "body", "chunk"):
        held = value.get(key)
        if isinstance(held, dict):
            held = held.get("text")
        if held not in (None, ""):
            found["content"] = held
            break
    score = number(value.get("score", value.get("relevance_score", value.get("similarity"))))
    if score is not None:
        found["score"] = score
    if (distance := number(value.get("distance"))) is not None:
        found["distance"] = distance
    metadata = structured(value.get("metadata"))
    if isinstance(metadata, dict) and metadata:
        found["metadata"] = metadata
    if not found and value:
        found["content"] = value
    return found
