//! People with what they come with, and programs by what gives them away.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36";

#[rstest]
#[case(WINDOWS, "Chrome", "Windows", "computer")]
#[case(
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
    "Edge",
    "Windows",
    "computer"
)]
#[case(
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 OPR/120.0.0.0",
    "Opera",
    "Windows",
    "computer"
)]
#[case(
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Firefox",
    "Linux",
    "computer"
)]
#[case(
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Chrome",
    "ChromeOS",
    "computer"
)]
#[case(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Safari",
    "macOS",
    "computer"
)]
#[case(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Safari",
    "iOS",
    "phone"
)]
#[case(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/139.0.7258.76 Mobile/15E148 Safari/604.1",
    "Chrome",
    "iOS",
    "phone"
)]
#[case(
    "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
    "Safari",
    "iOS",
    "tablet"
)]
#[case(
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
    "Chrome",
    "Android",
    "phone"
)]
#[case(
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Chrome",
    "Android",
    "tablet"
)]
#[case(
    "Mozilla/5.0 (Linux; Android 9; CUBOT_NOTE_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
    "Chrome",
    "Android",
    "phone"
)]
#[case(
    "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Samsung Internet",
    "Android",
    "phone"
)]
#[case(
    "Mozilla/5.0 (PlayStation 4 11.00) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "other",
    "other",
    "other"
)]
fn a_person_has_a_browser_a_system_and_a_device(
    #[case] text: &str,
    #[case] browser: &str,
    #[case] system: &str,
    #[case] device: &str,
) {
    let agent = Agent::of(Some(text));
    assert_eq!(agent.bot, None);
    let found = [agent.browser, agent.system, agent.device];
    assert_eq!(found, [Some(browser), Some(system), Some(device)]);
}

#[rstest]
#[case(
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    Bot::Crawler
)]
#[case(
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36 (compatible; GoogleOther)",
    Bot::Crawler
)]
#[case(
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/130.0.0.0 Safari/537.36",
    Bot::Crawler
)]
#[case(
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.2",
    Bot::Crawler
)]
#[case(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 (Applebot/0.1)",
    Bot::Crawler
)]
#[case(
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    Bot::Crawler
)]
#[case("Slackbot-LinkExpanding 1.0", Bot::Crawler)]
#[case("WhatsApp/2.23.20.0", Bot::Crawler)]
#[case("facebookexternalhit/1.1", Bot::Crawler)]
#[case(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36",
    Bot::Headless
)]
#[case(
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
    Bot::Headless
)]
#[case("curl/8.7.1", Bot::Library)]
#[case("python-requests/2.32.3", Bot::Library)]
#[case("Go-http-client/1.1", Bot::Library)]
#[case("Java/17.0.2", Bot::Library)]
#[case(
    "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1",
    Bot::Library
)]
#[case("", Bot::Silent)]
#[case(" - ", Bot::Silent)]
fn a_program_has_a_reason_and_nothing_else(#[case] text: &str, #[case] bot: Bot) {
    let program = Agent {
        bot: Some(bot),
        ..Agent::default()
    };
    assert_eq!(Agent::of(Some(text)), program);
}

#[test]
fn of_whom_nothing_is_known_nothing_is_said() {
    assert_eq!(Agent::of(None), Agent::default());
    assert_eq!(Agent::of(Some("MyShop 1.2")), Agent::default());
    assert_eq!(Agent::of(Some("Abbott 1.2")).bot, None);
}

proptest! {
    #[test]
    fn any_text_may_be_a_user_agent(text in ".{0,200}", known in 0..4usize) {
        let known = ["", "Windows", "iPhone; CPU OS", "DoCoMo/2.0"][known];
        let _ = Agent::of(Some(&format!("{known}{text}")));
    }
}
