//! What the language brings along: filters, tests, methods, global functions, and the formats they
//! write.

pub(crate) mod filters;
pub(crate) mod functions;
pub(crate) mod html_escape;
pub(crate) mod methods;
pub(crate) mod predicates;
pub(crate) mod printf_format;
mod str_format;
mod str_methods;
pub(crate) mod strftime;
pub(crate) mod tojson;
