//! Who sent an event, as far as a user agent tells: a person, with which browser, on which system and kind
//! of device, or a program, and what gave it away.
//!
//! A user agent is only what somebody says of themselves. So what is counted here as people is people, and
//! programs that pass themselves off as such.
//!
//! The names are few and fixed, whatever anybody sends, so that reports may group by them. Browsers,
//! systems and devices are told by woothee: it knows them without the thousand patterns (a file of 200 kB, and
//! the memory of as many compiled expressions) that telling every telephone's model takes. Programs are told by
//! rules of our own.

mod programs;

use std::fmt;
use woothee::parser::Parser;

/// What a user agent says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agent {
    /// Such as `Chrome`; none when it is not known, and of a program.
    pub browser: Option<&'static str>,
    /// Such as `Android`.
    pub system: Option<&'static str>,
    /// `computer`, `phone`, `tablet` or `other`, such as a television.
    pub device: Option<&'static str>,
    /// Why this is no person; none when it may be one.
    pub bot: Option<Bot>,
}

/// What gives a program away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bot {
    /// It says that it looks at pages for somebody else: a search engine, a preview, a monitor.
    Crawler,
    /// A browser without a person in front of it.
    Headless,
    /// A library or a tool that speaks HTTP.
    Library,
    /// It says nothing, which no browser does.
    Silent,
}

impl Bot {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Crawler, Self::Headless, Self::Library, Self::Silent];

    /// The name in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crawler => "crawler",
            Self::Headless => "headless browser",
            Self::Library => "HTTP library",
            Self::Silent => "no user agent",
        }
    }
}

impl fmt::Display for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Agent {
    /// Reads a user agent. An empty one is that of a request that came without; none is that of somebody of
    /// whom only another program told, who may be a person.
    ///
    /// Takes microseconds: whoever reads many remembers what came out.
    pub fn of(user_agent: Option<&str>) -> Self {
        let Some(text) = user_agent else {
            return Self::default();
        };
        let read = Parser::new().parse(text);
        let read = read.unwrap_or_default();
        if let Some(bot) = programs::bot(text, &read) {
            return Self {
                bot: Some(bot),
                ..Self::default()
            };
        }
        Self {
            browser: browser(read.name),
            system: system(read.os),
            device: device(read.category, read.os, text),
            bot: None,
        }
    }
}

fn browser(name: &str) -> Option<&'static str> {
    Some(match name {
        "" | "UNKNOWN" => return None,
        "Chrome" => "Chrome",
        "Edge" => "Edge",
        "Firefox" => "Firefox",
        "Google Search App" => "Google app",
        "Internet Explorer" => "Internet Explorer",
        "Opera" => "Opera",
        "Safari" => "Safari",
        "SamsungBrowser" => "Samsung Internet",
        "Vivaldi" => "Vivaldi",
        "Webview" => "web view",
        "Yandex Browser" => "Yandex Browser",
        _ => "other",
    })
}

fn system(os: &str) -> Option<&'static str> {
    Some(match os {
        "" | "UNKNOWN" => return None,
        "Android" => "Android",
        "ChromeOS" => "ChromeOS",
        "Linux" => "Linux",
        "Mac OSX" | "Mac OS Classic" => "macOS",
        "iPhone" | "iPad" | "iPod" | "iOS" => "iOS",
        os if os.starts_with("Windows") => "Windows",
        _ => "other",
    })
}

fn device(category: &str, os: &str, text: &str) -> Option<&'static str> {
    Some(match category {
        "" | "UNKNOWN" => return None,
        "pc" => "computer",
        "smartphone" if os == "iPad" => "tablet",
        // By agreement of the makers, a telephone's browser says so.
        "smartphone" if os == "Android" && !text.contains("Mobile") => "tablet",
        "smartphone" | "mobilephone" => "phone",
        _ => "other",
    })
}

#[cfg(test)]
mod tests;
