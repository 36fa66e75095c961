//! The page behind a room link. Static but for the room's name and the downloads; the link's key stays in the browser.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parlor_protocol::RoomName;
use sha2::{Digest, Sha256};

use crate::{Shared, config::Downloads};

const HTML: &str = include_str!("page/link.html");
const STYLE: &str = include_str!("page/link.css");
const SCRIPT: &str = include_str!("page/link.js");

/// Nothing but the one script and the one style sheet of the page, by their hashes (W3C CSP3 §2.3.1).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// The page of one room.
pub(crate) async fn room(State(shared): State<Arc<Shared>>, Path(room): Path<String>) -> Response {
    match room.parse() {
        Ok(room) => (headers(), Html(page(&room, &shared.config.downloads))).into_response(),
        Err(_) => (StatusCode::NOT_FOUND, headers(), "There is no such room.\n").into_response(),
    }
}

fn headers() -> [(header::HeaderName, &'static str); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ]
}

/// A room's name has no character that means anything in HTML. What comes last is not searched for places any more.
fn page(room: &RoomName, offered: &Downloads) -> String {
    HTML.replace("@style", STYLE)
        .replace("@script", SCRIPT)
        .replace("@room", room.as_str())
        .replace("@downloads", &downloads(offered))
}

fn downloads(offered: &Downloads) -> String {
    let all = [
        ("Linux", "deb", &offered.linux),
        ("macOS", "dmg", &offered.macos),
        ("Windows", "installer", &offered.windows),
    ];
    let buttons: Vec<_> = all
        .iter()
        .filter_map(|(name, kind, address)| {
            let address = escape(address.as_ref()?);
            Some(format!(r#"<a class="button" href="{address}">{name}<small>{kind}</small></a>"#))
        })
        .collect();
    if buttons.is_empty() {
        r#"<p class="lede">Install Parlor on this computer, then open your link again.</p>"#.into()
    } else {
        format!(r#"<div class="downloads">{}</div>"#, buttons.concat())
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn studio(offered: &Downloads) -> String {
        page(&"thursday-studio".parse().unwrap(), offered)
    }

    #[test]
    fn the_page_names_the_room_and_leaves_no_place_open() {
        let page = studio(&Downloads::default());
        assert!(page.contains("thursday-studio"));
        for place in ["@room", "@style", "@script", "@downloads"] {
            assert!(!page.contains(place), "{place}");
        }
    }

    #[test]
    fn the_only_script_and_style_are_those_that_are_hashed() {
        let page = studio(&Downloads::default());
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
        assert_eq!(page.matches("<style").count(), 1);
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        let (_, body) = page.split_once("<body").unwrap();
        let markup = body.replace(SCRIPT, "");
        for forbidden in [" style=", " onclick=", " onload=", " src=", "<iframe", "<form"] {
            assert!(!markup.contains(forbidden), "{forbidden}");
        }
        for forbidden in ["url(", "@import"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn only_downloads_that_exist_are_offered() {
        let offered = Downloads { linux: Some("https://example.org/a?b&c=\"@room".into()), ..Downloads::default() };
        let page = studio(&offered);
        assert!(page.contains(r#"href="https://example.org/a?b&amp;c=&quot;@room""#), "{page}");
        assert!(!page.contains("macOS"));
    }
}
