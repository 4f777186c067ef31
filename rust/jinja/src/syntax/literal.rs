//! String literals.

/// Decodes a string literal as jinja2 does: `unicode-escape` after non-ASCII characters have been
/// escaped themselves.
pub(crate) fn unescape(raw: &str) -> Result<String, String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], &mut text)?;
    }
    text.push_str(rest);
    Ok(text)
}

/// Decodes one escape after its backslash; gives what follows it.
fn escape<'s>(rest: &'s str, text: &mut String) -> Result<&'s str, String> {
    let Some(kind) = rest.chars().next() else {
        return Err("\\ at end of string".to_owned());
    };
    let after = &rest[kind.len_utf8()..];
    let simple = match kind {
        '\n' => return Ok(after),
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'a' => '\u{7}',
        'v' => '\u{b}',
        '\\' | '\'' | '"' => kind,
        'x' => return hex(after, 2, text),
        'u' => return hex(after, 4, text),
        'U' => return hex(after, 8, text),
        'N' => return Err("named Unicode escapes are not supported".to_owned()),
        '0'..='7' => return octal(rest, text),
        _ if !kind.is_ascii() => {
            // The backslash met the backslash of the escaped character.
            text.push('\\');
            text.push_str(&backslash_escape(kind));
            return Ok(after);
        }
        _ => {
            text.push('\\');
            kind
        }
    };
    text.push(simple);
    Ok(after)
}

fn backslash_escape(character: char) -> String {
    let code = character as u32;
    match code {
        0..=0xff => format!("x{code:02x}"),
        0x100..=0xffff => format!("u{code:04x}"),
        _ => format!("U{code:08x}"),
    }
}

fn hex<'s>(rest: &'s str, digits: usize, text: &mut String) -> Result<&'s str, String> {
    let code = rest
        .get(..digits)
        .filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))
        .ok_or("truncated escape in string")?;
    let code = u32::from_str_radix(code, 16).map_err(|e| e.to_string())?;
    text.push(char::from_u32(code).ok_or("lone surrogate in string")?);
    Ok(&rest[digits..])
}

fn octal<'s>(rest: &'s str, text: &mut String) -> Result<&'s str, String> {
    let digits = rest
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(b))
        .count();
    let code = u32::from_str_radix(&rest[..digits], 8).map_err(|e| e.to_string())?;
    text.push(char::from_u32(code).ok_or("bad octal escape")?);
    Ok(&rest[digits..])
}
