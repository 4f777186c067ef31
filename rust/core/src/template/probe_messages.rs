//! Messages of the small conversations that probes render.

use crate::value::{Arena, Map, Value};

pub(super) const USER: &str = "Zuqa1";
pub(super) const ANSWER: &str = "Wyxa2";
pub(super) const OTHER_ANSWER: &str = "Kefo3";
pub(super) const REASONING: &str = "Rivo4";
pub(super) const RESULT: &str = "Totu5";
pub(super) const SYSTEM: &str = "Sami6";

pub(super) type Messages<'a> = Vec<Map<'a>>;

/// Builds messages in an arena.
pub(super) struct Builder<'a> {
    pub(super) arena: &'a Arena,
    /// Roles whose contents are lists of parts.
    pub(super) part_roles: Vec<&'static str>,
}

impl<'a> Builder<'a> {
    fn map(&self, entries: &[(&'a str, Value<'a>)]) -> Map<'a> {
        Map::new(self.arena.alloc_slice_copy(entries))
    }

    fn list(&self, items: &[Value<'a>]) -> Value<'a> {
        Value::List(self.arena.alloc_slice_copy(items))
    }

    pub(super) fn message(&self, role: &'a str, content: &'a str) -> Map<'a> {
        self.map(&[
            ("role", Value::Str(role)),
            ("content", self.content(role, content)),
        ])
    }

    /// The content of a message of that role.
    fn content(&self, role: &str, text: &'a str) -> Value<'a> {
        if !self.part_roles.contains(&role) {
            return Value::Str(text);
        }
        let part = self.map(&[("type", Value::Str("text")), ("text", Value::Str(text))]);
        self.list(&[Value::Map(part)])
    }

    pub(super) fn reasoning(&self) -> Map<'a> {
        self.map(&[
            ("role", Value::Str("assistant")),
            ("content", self.content("assistant", ANSWER)),
            ("reasoning_content", Value::Str(REASONING)),
        ])
    }

    pub(super) fn tool_call(&self, arguments_as_text: bool) -> Map<'a> {
        let arguments = if arguments_as_text {
            Value::Str("{\"city\": \"Rome\"}")
        } else {
            Value::Map(self.map(&[("city", Value::Str("Rome"))]))
        };
        let function = self.map(&[("name", Value::Str("weather")), ("arguments", arguments)]);
        let call = self.map(&[
            ("id", Value::Str("abcdefgh1")),
            ("type", Value::Str("function")),
            ("function", Value::Map(function)),
        ]);
        self.map(&[
            ("role", Value::Str("assistant")),
            ("content", self.content("assistant", "")),
            ("tool_calls", self.list(&[Value::Map(call)])),
        ])
    }

    pub(super) fn result(&self) -> Map<'a> {
        self.map(&[
            ("role", Value::Str("tool")),
            ("content", self.content("tool", RESULT)),
            ("name", Value::Str("weather")),
            ("tool_call_id", Value::Str("abcdefgh1")),
        ])
    }

    pub(super) fn tools(&self) -> Value<'a> {
        let city = self.map(&[
            ("type", Value::Str("string")),
            ("description", Value::Str("c")),
        ]);
        let properties = self.map(&[("city", Value::Map(city))]);
        let parameters = self.map(&[
            ("type", Value::Str("object")),
            ("properties", Value::Map(properties)),
            ("required", self.list(&[Value::Str("city")])),
        ]);
        let function = self.map(&[
            ("name", Value::Str("weather")),
            ("description", Value::Str("d")),
            ("parameters", Value::Map(parameters)),
        ]);
        let tool = self.map(&[
            ("type", Value::Str("function")),
            ("function", Value::Map(function)),
        ]);
        self.list(&[Value::Map(tool)])
    }
}

/// The text of a message of a probe.
pub(super) fn text_of<'a>(message: &Map<'a>) -> Option<&'a str> {
    match message.get("content")? {
        Value::List(parts) => parts.first()?.as_map()?.get("text")?.as_str(),
        content => content.as_str(),
    }
}
