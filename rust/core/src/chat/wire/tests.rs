use crate::chat::{Reader, Record, Schema, SchemaOptions};
use crate::rules::RuleCounts;
use crate::source::json;
use crate::value::Arena;

const PLAIN: &str = r#"{"messages": [
    {"role": "system", "content": "s"}, {"role": "user", "content": "u"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"a": "1"}}}]},
    {"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}"#;

#[test]
fn nothing_is_copied_where_nothing_changes() {
    let arena = Arena::new();
    let row = json::parse(PLAIN.as_bytes(), &arena).unwrap().value;
    let map = row.as_map().unwrap();
    let mut counts = RuleCounts::default();
    let reader = Reader::new(&SchemaOptions::new(Schema::Messages)).unwrap();
    let Record::Conversation(read) = reader.read(row, &arena, &mut counts).unwrap() else {
        panic!("it is a conversation")
    };
    let given = map.get("messages").unwrap().as_list().unwrap();
    for (message, given) in read.messages.iter().zip(given) {
        assert!(std::ptr::eq(
            message.fields.entries,
            given.as_map().unwrap().entries
        ));
    }
    let tools = map.get("tools").unwrap().as_list().unwrap();
    assert!(std::ptr::eq(read.tools.unwrap().as_list().unwrap(), tools));
    assert_eq!(counts.iter().count(), 0);
}
