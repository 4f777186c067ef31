//! `Template`: conversation → text and spans.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use turnmill_core::template::{
    self, LocalTime, RenderInput, Rendered, Source, Span, TemplateOptions, find_source,
};
use turnmill_core::{Arena, Error, ErrorKind, Map, Result, Value};

use crate::convert::{self, Foreign};
use crate::flat::Flat;
use crate::{detach, errors};

/// Year, month, day, hour, minute, second, microsecond.
type Moment = (i32, u32, u32, u32, u32, u32, u32);

/// A chat template; see `turnmill.Template`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Template {
    source: Source,
    plain: template::Template,
    /// An error concerns only conversations with tools.
    with_tools: Option<Result<template::Template>>,
}

#[pymethods]
impl Template {
    #[new]
    fn new(
        py: Python<'_>,
        given: &str,
        name: Option<&str>,
        special_tokens: Vec<(String, String)>,
        now: Moment,
    ) -> PyResult<Self> {
        detach::run(py, |_| {
            let source = find_source(given, name)?;
            let options = TemplateOptions {
                special_tokens: merged(&source.special_tokens, special_tokens),
                now: local_time(now),
                ..TemplateOptions::default()
            };
            let compile = |text: &String| template::Template::new(text, &options);
            Ok(Self {
                plain: compile(&source.text)?,
                with_tools: source.with_tools.as_ref().map(compile),
                source,
            })
        })
    }

    /// Renders one conversation: text, spans (int64 pairs) and turns (int32).
    fn render<'py>(
        &self,
        messages: &Bound<'py, PyAny>,
        tools: Option<&Bound<'py, PyAny>>,
        documents: Option<&Bound<'py, PyAny>>,
        add_generation_prompt: bool,
        continue_final_message: Option<&str>,
        variables: &Bound<'py, PyDict>,
    ) -> PyResult<(String, Flat, Flat)> {
        let py = messages.py();
        let data = Arena::new();
        let raised = |problem: convert::Problem| problem.into_error(py);
        let input = RenderInput {
            messages: read_messages(messages, &data)?,
            tools: dicts("tools", tools, &data)?,
            documents: dicts("documents", documents, &data)?,
            add_generation_prompt,
            continue_final_message,
            variables: convert::map(variables, Foreign::Placeholder, &data).map_err(raised)?,
        };
        let template = self.chosen(py, input.tools.is_some())?;
        let (text, spans, turns) = detach::run_short(py, move || flat_render(template, &input))?;
        Ok((text, Flat::new(spans), Flat::new(turns)))
    }

    /// Raises if the turns of the template (for conversations with tools, or without) cannot be
    /// located.
    fn require_spans(&self, py: Python<'_>, with_tools: bool) -> PyResult<()> {
        let refused = self.chosen(py, with_tools)?.require_spans();
        refused.map_err(|error| errors::to_python(py, &error))
    }

    /// What the template does (for conversations with tools, or without), as JSON.
    fn study(&self, py: Python<'_>, with_tools: bool) -> PyResult<String> {
        Ok(self.chosen(py, with_tools)?.study().to_json().to_string())
    }

    /// Its name: a path, the name of a built-in, or `inline`.
    #[getter]
    fn name(&self) -> &str {
        &self.source.name
    }

    /// The Jinja source.
    #[getter]
    fn source(&self) -> &str {
        self.plain.source()
    }
}

impl Template {
    fn chosen(&self, py: Python<'_>, with_tools: bool) -> PyResult<&template::Template> {
        match &self.with_tools {
            Some(template) if with_tools => {
                let compiled = template.as_ref();
                compiled.map_err(|error| errors::to_python(py, error))
            }
            _ => Ok(&self.plain),
        }
    }
}

/// The directory's special tokens, overridden and extended by the caller's.
fn merged(found: &[(String, String)], given: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut merged = found.to_vec();
    for (name, text) in given {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = text,
            None => merged.push((name, text)),
        }
    }
    merged
}

fn local_time((year, month, day, hour, minute, second, microsecond): Moment) -> LocalTime {
    LocalTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        microsecond,
    }
}

/// A conversation: dicts in a list or tuple.
fn read_messages<'a>(messages: &Bound<'_, PyAny>, data: &'a Arena) -> PyResult<&'a [Map<'a>]> {
    let py = messages.py();
    if !messages.is_instance_of::<PyList>() && !messages.is_instance_of::<PyTuple>() {
        let name = messages.get_type().name()?;
        let what = format!("a conversation is a list of messages, not a {name} object");
        return Err(refused(py, what, None));
    }
    let mut maps = Vec::with_capacity(messages.len()?);
    for (index, message) in messages.try_iter()?.enumerate() {
        let read = convert::value(&message?, Foreign::Placeholder, data);
        let value = read.map_err(|problem| problem.at_message(index).into_error(py))?;
        let Value::Map(map) = value else {
            let what = format!("a message is a dict, not {}", value.kind());
            return Err(refused(py, what, Some(index)));
        };
        maps.push(map);
    }
    if maps.is_empty() {
        return Err(refused(
            py,
            "the conversation has no messages".to_owned(),
            None,
        ));
    }
    Ok(data.alloc_slice_copy(&maps))
}

/// Tools and documents: lists of dicts.
fn dicts<'a>(
    name: &str,
    given: Option<&Bound<'_, PyAny>>,
    data: &'a Arena,
) -> PyResult<Option<Value<'a>>> {
    let Some(given) = given else {
        return Ok(None);
    };
    let py = given.py();
    let value = convert::value(given, Foreign::Placeholder, data);
    let value = value.map_err(|problem| problem.into_error(py))?;
    let items = value.as_list().unwrap_or(&[Value::Null]);
    if items.iter().all(|item| item.as_map().is_some()) {
        return Ok(Some(value));
    }
    let what = format!("{name} is a list of dicts");
    let mut error = Error::new(ErrorKind::Template, "template-error", what);
    if name == "tools" {
        error = error.hint("transformers.utils.get_json_schema(f) makes one of a function");
    }
    Err(errors::to_python(py, &error))
}

fn refused(py: Python<'_>, what: String, message: Option<usize>) -> PyErr {
    let mut error = Error::new(ErrorKind::Template, "template-error", what);
    if let Some(message) = message {
        error = error.at_message(message as u32);
    }
    errors::to_python(py, &error)
}

/// Text, spans in code points and turns.
fn flat_render(
    template: &template::Template,
    input: &RenderInput<'_>,
) -> Result<(String, Vec<i64>, Vec<i32>)> {
    let mut rendered = Rendered::default();
    template.render(&Arena::new(), input, &mut rendered)?;
    let spans = code_points(&rendered.text, &rendered.spans);
    let message = |span: &Span| span.message as i32;
    let turns = rendered.spans.iter().map(message).collect();
    Ok((rendered.text, spans, turns))
}

/// Starts and ends of the spans, in turn, counted in code points.
fn code_points(text: &str, spans: &[Span]) -> Vec<i64> {
    let mut counted = 0;
    let mut points = 0;
    let mut bounds = Vec::with_capacity(spans.len() * 2);
    for bound in spans.iter().flat_map(|span| [span.start, span.end]) {
        let bound = bound as usize;
        if bound < counted {
            (counted, points) = (0, 0);
        }
        // Both bounds are character boundaries: spans are made of whole strings.
        points += text[counted..bound].chars().count() as i64;
        counted = bound;
        bounds.push(points);
    }
    bounds
}
