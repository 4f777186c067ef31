//! Follows a value through the JSON that a template made of it.
//!
//! Most templates write the arguments of a call as JSON, in the order of the row. To read that text
//! beside the value takes few instructions for each leaf; to search the text for each leaf takes
//! hundreds.

use crate::value::Value;

/// Where the JSON of a value ends, if the text begins with it. Spaces and line ends may stand between
/// its signs. A number with a fraction may have any form.
pub(super) fn end_of(value: Value<'_>, text: &[u8]) -> Option<usize> {
    let mut rest = JsonText(text);
    rest.skip(value).then(|| text.len() - rest.0.len())
}

/// What is left of a text. Each method says whether it goes on in a certain way, and passes that.
struct JsonText<'t>(&'t [u8]);

impl JsonText<'_> {
    fn skip(&mut self, value: Value<'_>) -> bool {
        match value {
            Value::Str(text) => self.string(text),
            Value::Int(number) => self.integer(number),
            Value::BigInt(digits) => self.word(digits),
            Value::Float(_) => self.number(),
            Value::Null => self.word("null"),
            Value::Bool(true) => self.word("true"),
            Value::Bool(false) => self.word("false"),
            Value::List(items) => self.group(*b"[]", items, |rest, item| rest.skip(*item)),
            Value::Map(map) => self.group(*b"{}", map.entries, |rest, (key, item)| {
                rest.string(key) && rest.sign(b':') && rest.skip(*item)
            }),
        }
    }

    fn group<T>(
        &mut self,
        [open, close]: [u8; 2],
        items: &[T],
        mut skip: impl FnMut(&mut Self, &T) -> bool,
    ) -> bool {
        let mut is_first = true;
        self.sign(open)
            && items.iter().all(|item| {
                let separated = std::mem::take(&mut is_first) || self.sign(b',');
                separated && skip(self, item)
            })
            && self.sign(close)
    }

    fn string(&mut self, text: &str) -> bool {
        self.space();
        let end = text.len() + 1;
        let is_plain = self.0.first() == Some(&b'"')
            && self.0.get(end) == Some(&b'"')
            && &self.0[1..end] == text.as_bytes();
        if is_plain {
            self.0 = &self.0[end + 1..];
            return true;
        }
        self.exactly("\"") && self.escaped(text) && self.exactly("\"")
    }

    /// A text with the escapes that a JSON writer cannot do without.
    #[cold]
    fn escaped(&mut self, text: &str) -> bool {
        let mut start = 0;
        for (at, sign) in text.bytes().enumerate() {
            let escape = match sign {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                _ => continue,
            };
            if !(self.exactly(&text[start..at]) && self.exactly(escape)) {
                return false;
            }
            start = at + 1;
        }
        self.exactly(&text[start..])
    }

    fn integer(&mut self, number: i64) -> bool {
        self.space();
        if number < 0 && !self.exactly("-") {
            return false;
        }
        let digits = self.0.iter().take_while(|sign| sign.is_ascii_digit());
        let (mut count, mut value) = (0, 0_u64);
        for digit in digits {
            count += 1;
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        }
        self.0 = &self.0[count..];
        // No 64 bits have more digits, and these may have gone around.
        (1..20).contains(&count) && value == number.unsigned_abs()
    }

    fn number(&mut self) -> bool {
        self.space();
        let is_of_number = |sign: &u8| sign.is_ascii_digit() || b"+-.eE".contains(sign);
        let count = self.0.iter().take_while(|sign| is_of_number(sign)).count();
        self.0 = &self.0[count..];
        count > 0
    }

    fn word(&mut self, word: &str) -> bool {
        self.space();
        self.exactly(word)
    }

    fn sign(&mut self, wanted: u8) -> bool {
        self.space();
        let found = self.0.first() == Some(&wanted);
        self.0 = &self.0[usize::from(found)..];
        found
    }

    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn exactly(&mut self, wanted: &str) -> bool {
        match self.0.strip_prefix(wanted.as_bytes()) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::end_of;
    use crate::source::json;
    use crate::value::Arena;

    fn end(value: &str, text: &str) -> Option<usize> {
        let arena = Arena::new();
        let value = json::parse(value.as_bytes(), &arena).unwrap().value;
        end_of(value, text.as_bytes())
    }

    #[test]
    fn the_value_as_json_is_passed_whole() {
        const VALUE: &str = r#"{"a": ["é\n\"\\", -12, 1.50, null, {}], "b": {"c": true, "d": []}}"#;
        let compact = VALUE.replace(": ", ":").replace(", ", ",");
        let wide = VALUE.replace(", ", " ,\n  ").replace('{', "{\n ");
        for text in [VALUE, &compact, &wide, &VALUE.replace("1.50", "1.5")] {
            assert_eq!(end(VALUE, &format!("{text} and more")), Some(text.len()));
        }
    }

    #[test]
    fn a_text_that_lacks_anything_of_it_is_not_passed() {
        const VALUE: &str = r#"{"a": ["one\ntwo", 12, false], "b": {"c": 9223372036854775807}}"#;
        assert!(end(VALUE, VALUE).is_some());
        for at in 0..VALUE.len() {
            assert_eq!(end(VALUE, &VALUE[..at]), None, "cut at {at}");
            let mut other = VALUE.to_owned();
            if other.remove(at) != ' ' {
                assert_eq!(end(VALUE, &other), None, "{other}");
            }
        }
        for other in [
            VALUE.replace("12", "13"),
            VALUE.replace("12", "-12"),
            VALUE.replace("12", "123"),
            VALUE.replace("12", "12.0"),
            VALUE.replace("9223372036854775807", "27670116110564327423"),
            VALUE.replace("one", "One"),
            VALUE.replace("\"b\"", "\"d\""),
            VALUE.replace("false", "true"),
            VALUE.replace(", \"b\"", ", \"x\": 1, \"b\""),
            VALUE.replace(", false", ""),
        ] {
            assert_eq!(end(VALUE, &other), None, "{other}");
        }
    }
}
