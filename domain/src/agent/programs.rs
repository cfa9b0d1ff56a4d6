//! Which user agents are programs'. They change from month to month and no list of them stays true; so these
//! are mostly the conventions that they keep, and beside them the names of those that keep none.

use super::Bot;
use woothee::parser::WootheeResult;

/// Words that stand anywhere in what crawlers say of themselves, in small letters. `+http` is the address
/// at which one may complain.
const CRAWLERS: &[&str] = &[
    "+http",
    "crawl",
    "spider",
    "slurp",
    "facebookexternalhit",
    "facebookcatalog",
    "mediapartners-google",
    "feedfetcher",
    "googleother",
    "google-inspectiontool",
    "google web preview",
    "bingpreview",
    "skypeuripreview",
    "ia_archiver",
    "archive.org",
    "lighthouse",
    "pagespeed",
    "gtmetrix",
    "pingdom",
    "statuscake",
    "site24x7",
    "chatgpt-user",
    "perplexity-user",
    "claude-user",
    "claude-web",
    "anthropic-ai",
];

/// The same of browsers that a program drives.
const HEADLESS: &[&str] = &[
    "headless",
    "phantomjs",
    "slimerjs",
    "puppeteer",
    "playwright",
    "selenium",
    "htmlunit",
    "jsdom",
];

/// With this begins what previews say: inside the applications of the same makers, people read pages.
const PREVIEWS: &[&str] = &["whatsapp/", "pinterest/", "yeti/"];

/// With this begins what libraries and tools say.
const LIBRARIES: &[&str] = &[
    "aiohttp/",
    "analytics-",
    "apache-httpclient/",
    "apachebench/",
    "axios/",
    "bun/",
    "colly",
    "curl/",
    "dart/",
    "deno/",
    "faraday",
    "go-http-client/",
    "got ",
    "grpc-",
    "guzzlehttp/",
    "hey/",
    "http.rb/",
    "httpie/",
    "httpx/",
    "httpunit/",
    "hyper/",
    "insomnia/",
    "jakarta commons-httpclient/",
    "java-http-client/",
    "java/",
    "k6/",
    "libcurl",
    "libwww-perl/",
    "locust",
    "lwp::",
    "mechanize",
    "node",
    "okhttp/",
    "php/",
    "postmanruntime/",
    "python-",
    "python/",
    "reactornetty/",
    "reqwest/",
    "rest-client/",
    "ruby",
    "scrapy/",
    "undici",
    "unirest-",
    "vegeta",
    "wget/",
];

/// What gives a program away; `read` is what woothee says of the text. None for what may be a person's.
pub(super) fn bot(text: &str, read: &WootheeResult<'_>) -> Option<Bot> {
    let small = text.trim().to_ascii_lowercase();
    let contains = |words: &[&str]| words.iter().any(|word| small.contains(word));
    let begins = |words: &[&str]| words.iter().any(|word| small.starts_with(word));
    if small.is_empty() || small == "-" {
        Some(Bot::Silent)
    } else if contains(HEADLESS) {
        Some(Bot::Headless)
    } else if begins(LIBRARIES) || small.contains("windowspowershell/") {
        Some(Bot::Library)
    } else if contains(CRAWLERS)
        || begins(PREVIEWS)
        || is_called_bot(&small)
        || read.category == "crawler"
    {
        Some(Bot::Crawler)
    } else if read.name == "HTTP Library" {
        Some(Bot::Library)
    } else {
        None
    }
}

/// Whether a word ends in `bot`, as the names of crawlers do; the name of a maker of telephones does, too.
fn is_called_bot(small: &str) -> bool {
    small.match_indices("bot").any(|(at, _)| {
        let ends = small[at + 3..]
            .chars()
            .next()
            .is_none_or(|next| !next.is_alphanumeric());
        ends && !small[..at].ends_with("cu")
    })
}
