"""Two small documents with every construct that ours have, for breaking them one way at a time."""

from typing import Any

OPENAPI: dict[str, Any] = {
    "paths": {
        "/v1/cups/{cup_id}": {
            "get": {
                "operationId": "cups-get_cup",
                "parameters": [
                    {
                        "in": "path",
                        "name": "cup_id",
                        "required": True,
                        "schema": {"type": "string"},
                    },
                    {
                        "in": "query",
                        "name": "limit",
                        "schema": {"type": "integer", "maximum": 1000, "default": 100},
                    },
                    {
                        "in": "query",
                        "name": "glaze",
                        "schema": {"enum": ["celadon", "tenmoku"], "type": "string"},
                    },
                ],
                "responses": {
                    "200": {
                        "headers": {"Link": {"schema": {"type": "string"}}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Cup"}}
                        },
                    },
                    "404": {"description": "broken"},
                },
                "security": [{"ApiKey": []}],
            },
            "put": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/NewCup"}}
                    }
                },
                "responses": {"201": {"description": "fired"}},
            },
        },
        "/v1/kilns": {"get": {"responses": {"200": {"description": "hot"}}}},
    },
    "components": {
        "schemas": {
            "Cup": {
                "type": "object",
                "required": ["size", "state", "marks"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 9},
                    "state": {"type": "string", "enum": ["whole", "cracked"]},
                    "mood": {"type": "string", "x-open-enum": ["calm"]},
                    "fired_at": {
                        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]
                    },
                    "marks": {"type": "array", "items": {"$ref": "#/components/schemas/Mark"}},
                    "weights": {"type": "object", "additionalProperties": {"type": "number"}},
                    "saucer": {"$ref": "#/components/schemas/Cup"},
                },
            },
            "Mark": {"type": "object", "properties": {"text": {"type": "string"}}},
            "NewCup": {
                "oneOf": [
                    {"$ref": "#/components/schemas/Thrown"},
                    {"$ref": "#/components/schemas/Cast"},
                ]
            },
            "Thrown": {
                "type": "object",
                "required": ["kind"],
                "properties": {
                    "kind": {"const": "thrown", "type": "string"},
                    "clay": {"type": "string", "maxLength": 50},
                    "grams": {"type": "number"},
                },
            },
            "Cast": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"const": "cast", "type": "string"}},
            },
        }
    },
}

ASYNCAPI: dict[str, Any] = {
    "channels": {
        "cups.v1": {
            "messages": {"cup.fired.v1": {}, "cup.broken.v1": {}},
            "bindings": {"kafka": {"partitions": 4}},
        },
        "orders.v1": {
            "messages": {"order.made.v1": {}},
            "bindings": {"kafka": {"partitions": 4}},
        },
    },
    "operations": {
        "fire": {
            "action": "send",
            "messages": [
                {"$ref": "#/channels/cups.v1/messages/cup.fired.v1"},
                {"$ref": "#/channels/cups.v1/messages/cup.broken.v1"},
            ],
        },
        "take": {
            "action": "receive",
            "messages": [{"$ref": "#/channels/orders.v1/messages/order.made.v1"}],
        },
    },
    "components": {
        "messages": {
            "cup.fired.v1": {"payload": {"$ref": "#/components/schemas/Fired"}},
            "cup.broken.v1": {"payload": {"type": "object"}},
            "order.made.v1": {"payload": {"$ref": "#/components/schemas/Order"}},
        },
        "schemas": {
            "Fired": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer"},
                    "glaze": {"enum": ["celadon", "tenmoku"]},
                    "mark": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                },
            },
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string", "maxLength": 20}, "note": {}},
            },
        },
    },
}
