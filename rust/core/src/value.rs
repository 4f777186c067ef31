//! Plain data: what a JSON text, an Arrow struct or a Python object is read into, and what a
//! template is rendered with.

pub use turnmill_jinja::{Arena, Map, Value};
