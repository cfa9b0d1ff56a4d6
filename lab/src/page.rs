//! Reads from the shop's pages what a browser would send back: the hidden fields of a form.

/// The value of the first hidden field of that name, in the first form that posts to `action`.
pub fn hidden_field(html: &str, action: &str, name: &str) -> Option<String> {
    let form = tags(html, "form").find(|form| attribute(form.tag, "action") == Some(action))?;
    let inside = form.rest.split("</form").next()?;
    let input = tags(inside, "input").find(|input| attribute(input.tag, "name") == Some(name))?;
    attribute(input.tag, "value").map(unescape)
}

/// One start tag without its brackets, and what follows it.
struct Tag<'a> {
    tag: &'a str,
    rest: &'a str,
}

/// The start tags of one element. Texts and values of the shop hold no unescaped `<`.
fn tags<'a>(html: &'a str, element: &str) -> impl Iterator<Item = Tag<'a>> {
    let start = format!("<{element} ");
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(start.as_str())?;
        let end = end_of_tag(after)?;
        rest = &after[end..];
        Some(Tag {
            tag: &after[..end],
            rest,
        })
    })
}

/// Where the tag ends: the first `>` outside quotes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quoted = false;
    tag.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == '>' && !quoted).then_some(at)
    })
}

/// An attribute's value as it is written.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=\"");
    let at = tag
        .match_indices(start.as_str())
        .map(|(at, _)| at)
        .find(|at| *at == 0 || tag[..*at].ends_with([' ', '\n', '\t']))?;
    tag[at + start.len()..].split('"').next()
}

fn unescape(value: &str) -> String {
    value
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = r#"<!DOCTYPE html><p>a > b</p>
        <form method="get" action="/"><input name="token" value="wrong"></form>
        <form class="x" data-action="/no" action="/cart" method="post">
          <input value="7 > 5 &amp; 3" data-name="token" name="note"/>
          <input type="hidden" value="abc-1" name="token">
        </form>
        <form action="/checkout"></form>"#;

    #[test]
    fn the_field_of_the_right_form_is_read() {
        let field = |action, name| hidden_field(HTML, action, name);
        assert_eq!(field("/cart", "token").as_deref(), Some("abc-1"));
        assert_eq!(field("/cart", "note").as_deref(), Some("7 > 5 & 3"));
        assert_eq!(field("/cart", "other"), None);
        assert_eq!(field("/checkout", "token"), None);
        assert_eq!(field("/nowhere", "token"), None);
    }
}
