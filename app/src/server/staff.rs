//! Who may see the staff pages: somebody who knows the token, or a peer of ours that asks by a loopback name.
//!
//! A request that went through a proxy is nobody's peer: its address is the proxy's, and whoever stands
//! behind may be anyone. The name counts, too: a page of a foreign site can point a name of its own at
//! 127.0.0.1 and have a visitor's browser ask there, but the browser then says that name.

use super::cookies;
use super::settings::StaffSettings;
use axum::http::{Extensions, HeaderMap, HeaderValue, Uri, header};
use collector::http::Scheme;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use service::settings::Networks;
use sha2::Sha256;
use std::net::IpAddr;

/// How long a sign-in lasts, in seconds: a working day.
pub const SIGNED_IN_S: u32 = 12 * 3600;
/// The cookie of a sign-in. Its value is worth nothing without the server's token, and does not hold it.
const COOKIE: &str = "staff";

/// The rule, from the settings.
#[derive(Debug, Clone)]
pub struct Staff {
    token: Option<SecretString>,
    peers: Networks,
}

/// What a request brings along to be judged by.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// What it asks for, which may name a host, too.
    pub uri: &'a Uri,
    /// Everything else that it says.
    pub headers: &'a HeaderMap,
    /// Seconds since 1970.
    pub now_s: i64,
}

/// What the rule says of a request, which carries it along.
#[derive(Debug, Clone, Copy)]
pub struct Verdict(pub Result<(), Refusal>);

impl Verdict {
    /// What was said of this request; of one that nobody judged: no.
    pub fn of(request: &Extensions) -> Result<(), Refusal> {
        let verdict = request.get::<Self>();
        verdict.map_or(Err(Refusal::NotHere), |verdict| verdict.0)
    }
}

/// Why somebody may not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is a token, and it was not given: sign in.
    SignIn,
    /// What was given is not the token.
    WrongToken,
    /// There is no token, and this is none of our peers.
    NotHere,
}

impl Staff {
    /// The rule that the settings make.
    pub fn new(settings: &StaffSettings) -> Self {
        let token = settings.staff_token.clone();
        Self {
            token: token.filter(|token| !token.expose_secret().is_empty()),
            peers: settings.staff_peers.clone(),
        }
    }

    /// Lets somebody in, or says why not. Whoever gives a token is judged by it alone.
    pub fn admit(&self, asked: Asked<'_>) -> Result<(), Refusal> {
        if let Some(given) = asked.headers.get(header::AUTHORIZATION) {
            let right = bearer(given).is_some_and(|given| self.is_token(given));
            return if right {
                Ok(())
            } else {
                Err(Refusal::WrongToken)
            };
        }
        if self.is_peer(asked) || self.is_signed_in(asked) {
            return Ok(());
        }
        Err(match self.token {
            Some(_) => Refusal::SignIn,
            None => Refusal::NotHere,
        })
    }

    /// Whether there is a token to sign in with.
    pub const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token. Takes the same time for every wrong one.
    pub fn is_token(&self, given: &str) -> bool {
        // Of both only a keyed hash is compared, so that not even the lengths can be told apart.
        const LABEL: &[u8] = b"clickshop staff token";
        let Some(token) = &self.token else {
            return false;
        };
        let right = keyed(token, LABEL).finalize();
        let given = keyed(&SecretString::from(given), LABEL).finalize();
        right == given
    }

    /// The cookie of somebody who has just given the token.
    pub fn sign_in_cookie(&self, now_s: i64, scheme: Scheme) -> Option<HeaderValue> {
        let until = now_s + i64::from(SIGNED_IN_S);
        let seal = hex::encode(self.seal(until)?.finalize().into_bytes());
        staff_cookie(&format!("{until}.{seal}"), SIGNED_IN_S, scheme)
    }

    fn is_signed_in(&self, asked: Asked<'_>) -> bool {
        let Some(cookie) = cookies::read(asked.headers, COOKIE) else {
            return false;
        };
        let sealed = cookie.split_once('.').and_then(|(until, seal)| {
            let until: i64 = until.parse().ok()?;
            Some((until, self.seal(until)?, hex::decode(seal).ok()?))
        });
        // Verifying takes the same time for every wrong seal.
        sealed.is_some_and(|(until, right, given)| {
            right.verify_slice(&given).is_ok() && asked.now_s < until
        })
    }

    /// What proves that a sign-in until then was ours; another token makes all of them void.
    fn seal(&self, until_s: i64) -> Option<Hmac<Sha256>> {
        let label = format!("clickshop staff cookie until {until_s}");
        Some(keyed(self.token.as_ref()?, label.as_bytes()))
    }

    fn is_peer(&self, asked: Asked<'_>) -> bool {
        asked.peer.is_some_and(|peer| self.peers.contain(peer))
            && !went_through_a_proxy(asked.headers)
            && asks_by_loopback_name(asked)
    }
}

/// The cookie that ends a sign-in.
pub fn sign_out_cookie(scheme: Scheme) -> Option<HeaderValue> {
    staff_cookie("", 0, scheme)
}

/// Not `Lax`, as the shop's other cookies are: a link on another site opens the shop, not the staff's pages.
fn staff_cookie(value: &str, max_age_s: u32, scheme: Scheme) -> Option<HeaderValue> {
    let secure = scheme.of_cookies();
    HeaderValue::try_from(format!(
        "{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
    ))
    .ok()
}

/// A keyed hash of the label. An HMAC takes a key of any length.
fn keyed(key: &SecretString, label: &[u8]) -> Hmac<Sha256> {
    let key = key.expose_secret().as_bytes();
    let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("an HMAC takes a key of any length");
    };
    hash.update(label);
    hash
}

/// The token of `Bearer token` (RFC 6750, section 2.1; the scheme's case does not count).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether somebody handed this request on.
fn went_through_a_proxy(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "via" || name.starts_with("x-forwarded-")
    })
}

/// Whether every host that the request names is this very machine, and there is one.
fn asks_by_loopback_name(asked: Asked<'_>) -> bool {
    let mut hosts = asked.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let named = asked
        .uri
        .authority()
        .is_none_or(|at| is_loopback(at.as_str()));
    named && host.to_str().is_ok_and(is_loopback)
}

/// `localhost`, a name below it (RFC 6761), or an address of this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
            _ => return false,
        },
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;
    use rstest::rstest;

    const TOKEN: &str = "a token of the staff";
    const NOW: i64 = 1_790_000_000;

    fn staff(token: Option<&str>, peers: &str) -> Staff {
        Staff::new(&StaffSettings {
            staff_token: token.map(SecretString::from),
            staff_peers: peers.parse::<Networks>().unwrap(),
        })
    }

    fn local() -> Staff {
        staff(None, "127.0.0.0/8,::1/128")
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn ask(staff: &Staff, peer: &str, lines: &[(&'static str, &str)]) -> Result<(), Refusal> {
        staff.admit(Asked {
            peer: peer.parse().ok(),
            uri: &Uri::from_static("/pipeline"),
            headers: &headers(lines),
            now_s: NOW,
        })
    }

    #[rstest]
    #[case("127.0.0.1", "127.0.0.1:8501")]
    #[case("127.0.0.1", "localhost")]
    #[case("127.0.0.1", "LocalHost.:80")]
    #[case("127.8.8.8", "shop.localhost:8501")]
    #[case("::1", "[::1]:8501")]
    #[case("::ffff:127.0.0.1", "127.0.0.1")]
    fn a_peer_that_asks_by_a_loopback_name_needs_no_token(#[case] peer: &str, #[case] host: &str) {
        assert_eq!(ask(&local(), peer, &[("host", host)]), Ok(()));
    }

    #[rstest]
    #[case("10.0.0.7", &[("host", "127.0.0.1:8501")])]
    #[case("::2", &[("host", "localhost")])]
    #[case("nobody knows", &[("host", "localhost")])]
    #[case("127.0.0.1", &[])]
    #[case("127.0.0.1", &[("host", "shop.example")])]
    #[case("127.0.0.1", &[("host", "localhost.example:8501")])]
    #[case("127.0.0.1", &[("host", "notlocalhost")])]
    #[case("127.0.0.1", &[("host", "10.0.0.7")])]
    #[case("127.0.0.1", &[("host", "[::1]evil.example")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("host", "shop.example")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("forwarded", "for=10.0.0.7")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("x-forwarded-proto", "")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("x-forwarded-anything", "x")])]
    #[case("127.0.0.1", &[("host", "localhost"), ("via", "1.1 proxy")])]
    fn nobody_else_is_a_peer(#[case] peer: &str, #[case] lines: &[(&'static str, &str)]) {
        assert_eq!(ask(&local(), peer, lines), Err(Refusal::NotHere));
        let guarded = staff(Some(TOKEN), "127.0.0.0/8,::1/128");
        assert_eq!(ask(&guarded, peer, lines), Err(Refusal::SignIn));
    }

    #[test]
    fn an_empty_token_is_none() {
        let staff = staff(Some(""), "");
        assert!(!staff.has_token() && !staff.is_token(""));
        let refused = ask(&staff, "127.0.0.1", &[("authorization", "Bearer ")]);
        assert_eq!(refused, Err(Refusal::WrongToken));
    }

    #[test]
    fn an_absolute_address_names_the_host_too() {
        let judge = |uri: &'static str| {
            local().admit(Asked {
                peer: Some([127, 0, 0, 1].into()),
                uri: &Uri::from_static(uri),
                headers: &headers(&[("host", "localhost")]),
                now_s: NOW,
            })
        };
        assert_eq!(judge("http://localhost:8501/pipeline"), Ok(()));
        assert_eq!(judge("http://shop.example/pipeline"), Err(Refusal::NotHere));
    }

    #[rstest]
    #[case("172.30.85.1", Ok(()))]
    #[case("172.30.85.2", Err(Refusal::NotHere))]
    #[case("127.0.0.1", Err(Refusal::NotHere))]
    fn peers_are_whom_the_settings_name(#[case] peer: &str, #[case] verdict: Result<(), Refusal>) {
        let staff = staff(None, "172.30.85.1/32");
        assert_eq!(ask(&staff, peer, &[("host", "127.0.0.1:8501")]), verdict);
        let nobody = self::staff(None, "");
        let refused = ask(&nobody, peer, &[("host", "127.0.0.1:8501")]);
        assert_eq!(refused, Err(Refusal::NotHere));
    }

    #[rstest]
    #[case("Bearer a token of the staff", Ok(()))]
    #[case("bearer  a token of the staff ", Ok(()))]
    #[case("Bearer a token of the staf", Err(Refusal::WrongToken))]
    #[case("Bearer a token of the staff!", Err(Refusal::WrongToken))]
    #[case("Bearer ", Err(Refusal::WrongToken))]
    #[case("Bearer", Err(Refusal::WrongToken))]
    #[case("Basic YTpi", Err(Refusal::WrongToken))]
    #[case("a token of the staff", Err(Refusal::WrongToken))]
    fn whoever_gives_a_token_is_judged_by_it(
        #[case] given: &str,
        #[case] verdict: Result<(), Refusal>,
    ) {
        let staff = staff(Some(TOKEN), "127.0.0.0/8");
        // From anywhere, also through a proxy, and also from a peer.
        for peer in ["10.0.0.7", "127.0.0.1"] {
            let lines = [
                ("host", "localhost"),
                ("via", "1.1 x"),
                ("authorization", given),
            ];
            assert_eq!(ask(&staff, peer, &lines), verdict, "{peer}");
        }
        let none = ask(&local(), "10.0.0.7", &[("authorization", given)]);
        assert_eq!(none, Err(Refusal::WrongToken), "there is no token to know");
    }

    #[test]
    fn a_sign_in_holds_for_its_time_and_its_token() {
        let staff = staff(Some(TOKEN), "");
        let cookie = staff.sign_in_cookie(NOW, Scheme::Http).unwrap();
        let text = cookie.to_str().unwrap().to_owned();
        assert!(text.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"));
        assert!(!text.contains(TOKEN) && !text.contains("token"));
        let value = text.split(';').next().unwrap();
        let at = |staff: &Staff, cookie: &str, now_s: i64| {
            staff.admit(Asked {
                peer: None,
                uri: &Uri::from_static("/pipeline"),
                headers: &headers(&[("cookie", cookie)]),
                now_s,
            })
        };
        let end = NOW + i64::from(SIGNED_IN_S);
        assert_eq!(at(&staff, value, end - 1), Ok(()));
        assert_eq!(at(&staff, value, end), Err(Refusal::SignIn));
        let other = self::staff(Some("another token of the staff"), "");
        assert_eq!(at(&other, value, NOW), Err(Refusal::SignIn));
        let later = value.replace(&end.to_string(), &(end + 1).to_string());
        assert_eq!(at(&staff, &later, NOW), Err(Refusal::SignIn));
        for forged in [
            "staff=",
            "staff=1.",
            "staff=1.zz",
            "staff=9999999999.00",
            "staff=1.é",
        ] {
            let Ok(line) = HeaderValue::from_bytes(forged.as_bytes()) else {
                continue;
            };
            let verdict = staff.admit(Asked {
                peer: None,
                uri: &Uri::from_static("/pipeline"),
                headers: &HeaderMap::from_iter([(header::COOKIE, line)]),
                now_s: NOW,
            });
            assert_eq!(verdict, Err(Refusal::SignIn), "{forged}");
        }
        assert!(
            staff
                .sign_in_cookie(NOW, Scheme::Https)
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("; Secure")
        );
    }
}
