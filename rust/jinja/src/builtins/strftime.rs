//! `strftime` in the C locale.

/// A point in local time, as `datetime.now()` would give it: what `strftime_now` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, 1 to 9999.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Microsecond, 0 to 999,999.
    pub microsecond: u32,
}

impl Default for LocalTime {
    /// A fixed date, so that a render never depends on the clock by accident.
    fn default() -> Self {
        Self {
            year: 2024,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            microsecond: 0,
        }
    }
}

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `now.strftime(format)`.
pub(crate) fn strftime(now: LocalTime, format: &str) -> String {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut kind = characters.next().unwrap_or('%');
        let mut flag = None;
        if matches!(kind, '-' | '_' | '0' | '^' | '#') {
            flag = Some(kind);
            kind = characters.next().unwrap_or('%');
        }
        if matches!(kind, 'E' | 'O') {
            kind = characters.next().unwrap_or('%');
        }
        text.push_str(&flagged(directive(now, kind), flag));
    }
    text
}

/// glibc's flags: `-` drops the padding, `_` pads with spaces, `^` is upper case.
fn flagged(text: String, flag: Option<char>) -> String {
    let trimmed = text.trim_start_matches(['0', ' ']);
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b' ');
    match flag {
        Some('-') if is_number && trimmed.is_empty() => "0".to_owned(),
        Some('-') if is_number => trimmed.to_owned(),
        Some('_') if is_number => format!("{trimmed:>width$}", width = text.len()),
        Some('0') if is_number => format!("{trimmed:0>width$}", width = text.len()),
        Some('^') => text.to_uppercase(),
        _ => text,
    }
}

fn directive(now: LocalTime, kind: char) -> String {
    let weekday = weekday(now.year, now.month, now.day);
    let day_of_year = day_of_year(now);
    let hour12 = if now.hour.is_multiple_of(12) {
        12
    } else {
        now.hour % 12
    };
    let month = MONTHS[(now.month as usize).clamp(1, 12) - 1];
    let day = DAYS[weekday as usize];
    match kind {
        'a' => day[..3].to_owned(),
        'A' => day.to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'B' => month.to_owned(),
        'c' => strftime(now, "%a %b %e %H:%M:%S %Y"),
        'C' => format!("{:02}", now.year / 100),
        'd' => format!("{:02}", now.day),
        'D' | 'x' => strftime(now, "%m/%d/%y"),
        'e' => format!("{:2}", now.day),
        'f' => format!("{:06}", now.microsecond),
        'F' => strftime(now, "%Y-%m-%d"),
        'g' => format!("{:02}", iso_week(now).0 % 100),
        'G' => iso_week(now).0.to_string(),
        'H' => format!("{:02}", now.hour),
        'I' => format!("{hour12:02}"),
        'j' => format!("{day_of_year:03}"),
        'k' => format!("{:2}", now.hour),
        'l' => format!("{hour12:2}"),
        'm' => format!("{:02}", now.month),
        'M' => format!("{:02}", now.minute),
        'n' => "\n".to_owned(),
        'p' => if now.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'P' => if now.hour < 12 { "am" } else { "pm" }.to_owned(),
        'r' => strftime(now, "%I:%M:%S %p"),
        'R' => strftime(now, "%H:%M"),
        'S' => format!("{:02}", now.second),
        't' => "\t".to_owned(),
        'T' | 'X' => strftime(now, "%H:%M:%S"),
        'u' => if weekday == 0 { 7 } else { weekday }.to_string(),
        'U' => format!("{:02}", (day_of_year + 6 - weekday) / 7),
        'V' => format!("{:02}", iso_week(now).1),
        'w' => weekday.to_string(),
        'W' => format!("{:02}", (day_of_year + 6 - (weekday + 6) % 7) / 7),
        'y' => format!("{:02}", now.year % 100),
        'Y' => now.year.to_string(),
        'z' | 'Z' => String::new(),
        '%' => "%".to_owned(),
        other => format!("%{other}"),
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn day_of_year(now: LocalTime) -> u32 {
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = u32::from(now.month > 2 && is_leap(now.year));
    before[(now.month as usize).clamp(1, 12) - 1] + now.day + leap
}

/// 0 is Sunday (Sakamoto's method).
fn weekday(year: i32, month: u32, day: u32) -> u32 {
    let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    let sum = year + year / 4 - year / 100 + year / 400;
    (sum + shift[(month as usize).clamp(1, 12) - 1] + day as i32).rem_euclid(7) as u32
}

/// ISO 8601 year and week.
fn iso_week(now: LocalTime) -> (i32, u32) {
    let monday_based = (weekday(now.year, now.month, now.day) + 6) % 7;
    let week = (day_of_year(now) as i32 - monday_based as i32 + 9) / 7;
    if week < 1 {
        return (now.year - 1, weeks_in(now.year - 1));
    }
    if week as u32 > weeks_in(now.year) {
        return (now.year + 1, 1);
    }
    (now.year, week as u32)
}

fn weeks_in(year: i32) -> u32 {
    let first = weekday(year, 1, 1);
    let is_long = first == 4 || (first == 3 && is_leap(year));
    if is_long { 53 } else { 52 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_agree_with_python() {
        let now = LocalTime {
            year: 2026,
            month: 11,
            day: 3,
            hour: 15,
            minute: 4,
            second: 9,
            microsecond: 7,
        };
        let text = strftime(
            now,
            "%d %b %Y|%A %B %-d|%j %U %W %V %G|%I:%M %p|%y %e %f %%",
        );
        assert_eq!(
            text,
            "03 Nov 2026|Tuesday November 3|307 44 44 45 2026|03:04 PM|26  3 000007 %"
        );
    }
}
