//! The files of a report, as a browser would see them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use jiff::Timestamp;
use jiff::civil::Date;
use regex::Regex;
use serde_json::Value;

use crate::workspace::files;

/// The policy of every page: nothing but its own files.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'\">";

/// A report.
pub(super) struct Site {
    /// The pages by their path.
    pub(super) pages: BTreeMap<String, String>,
    /// All other files.
    others: BTreeMap<String, String>,
}

impl Site {
    pub(super) fn read(folder: &Path) -> Self {
        let text = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
            (path.to_str().unwrap().to_owned(), String::from_utf8(bytes).unwrap())
        };
        let (pages, others) = files(folder).into_iter().map(text).partition(|(path, _)| path.ends_with(".html"));
        Self { pages, others }
    }

    /// The size of all files.
    pub(super) fn size(&self) -> usize {
        self.pages.values().chain(self.others.values()).map(String::len).sum()
    }

    /// Asserts what is true of every report: its policy, no script or style within a page, no address outside the
    /// report, and links that lead somewhere.
    pub(super) fn assert_sound(&self) {
        let tag = Regex::new("<([a-z]+)([^>]*)>").unwrap();
        let attribute = Regex::new("([a-z-]+)=\"([^\"]*)\"").unwrap();
        for (name, page) in &self.pages {
            assert!(page.contains(POLICY), "{name}");
            let mut ids = BTreeSet::new();
            for tag in tag.captures_iter(page) {
                let attributes: BTreeMap<&str, &str> = attribute
                    .captures_iter(&tag[2])
                    .map(|found| {
                        let (_, [name, value]) = found.extract();
                        (name, value)
                    })
                    .collect();
                assert!(&tag[1] != "style", "{name}: a style within the page");
                assert!(&tag[1] != "script" || attributes.contains_key("src"), "{name}: a script within the page");
                let own = |attribute: &&&str| attribute.starts_with("on") || **attribute == "style";
                assert_eq!(attributes.keys().find(own), None, "{name}: {}", &tag[0]);
                for link in ["href", "src"].iter().filter_map(|attribute| attributes.get(attribute)) {
                    self.assert_leads_somewhere(name, link);
                }
                if let Some(id) = attributes.get("id") {
                    assert!(ids.insert(id.to_string()), "{name}: the id {id} is there twice");
                }
            }
        }
        for (name, text) in self.pages.iter().chain(&self.others).filter(|(name, _)| !name.starts_with("search/")) {
            let outside = ["http://", "https://", "\"//", "@import", "url("];
            let found = outside.iter().find(|address| text.contains(**address));
            assert!(found.is_none() || name.ends_with(".html"), "{name} has {found:?}");
        }
    }

    fn assert_leads_somewhere(&self, from: &str, link: &str) {
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        let mut target: Vec<&str> = from.split('/').collect();
        target.pop();
        if path.is_empty() {
            target = from.split('/').collect();
        }
        for step in path.split('/').filter(|step| !step.is_empty()) {
            match step {
                ".." => drop(target.pop().unwrap()),
                step => target.push(step),
            }
        }
        let target = target.join("/");
        let page = self.pages.get(&target);
        assert!(page.is_some() || self.others.contains_key(&target), "{from} links to {link}, which is not there");
        let has_id = |page: &String| page.contains(&format!(" id=\"{fragment}\""));
        assert!(fragment.is_empty() || page.is_some_and(has_id), "{from} links to {link}, which has no such part");
    }

    /// Asserts that a text is in none of the files, packed or not.
    pub(super) fn assert_without(&self, text: &str) {
        let text_in_quotes = Regex::new("\"([A-Za-z0-9+/=]{40,})\"").unwrap();
        for (name, page) in self.pages.iter().chain(&self.others) {
            assert!(!page.contains(text), "{text} is in {name}: {page}");
            let is_packed = text_in_quotes.captures_iter(page).any(|found| unpacked(&found[1]).contains(text));
            assert!(!is_packed, "{text} is packed in {name}");
        }
    }

    /// The rows of a table on a page, and those that are packed in it.
    pub(super) fn rows(&self, page: &str, class: &str) -> Vec<Vec<String>> {
        let text = &self.pages[page];
        let (_, table) = text.split_once(&format!("<table class=\"{class}\"")).unwrap();
        let (table, _) = table.split_once("</table>").unwrap();
        let (head, body) = table.split_once("<tbody>").unwrap();
        let tags = Regex::new("<[^>]*>").unwrap();
        let cells = |row: &str| {
            row.replace("<td>", "\u{0}")
                .split('\u{0}')
                .map(|cell| unescaped(tags.replace_all(cell, "").trim()))
                .collect()
        };
        let mut rows: Vec<Vec<String>> = body.trim_start().split("<tr>").skip(1).map(cells).collect();
        if let Some((_, rest)) = head.split_once("data-rest=\"") {
            let columns = columns(&unpacked(rest.split_once('"').unwrap().0));
            rows.extend(if class == "versions" { versions(&columns) } else { transposed(&columns) });
        }
        rows
    }

    /// The entries of the search index: the table, its tenants and its columns.
    pub(super) fn index(&self) -> Vec<(String, Vec<String>, Vec<String>)> {
        let shards: Vec<&String> = (0..).map_while(|shard| self.others.get(&format!("search/{shard}.js"))).collect();
        let entries = shards.iter().flat_map(|shard| {
            let text = shard.strip_prefix(&format!("tidemark.index({}, \"", shards.len())).unwrap();
            serde_json::from_str::<Vec<Value>>(&unpacked(text.strip_suffix("\");\n").unwrap())).unwrap()
        });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entry = |entry: Value| {
            let pages = entry[2].as_array().unwrap();
            pages.iter().for_each(|page| assert!(self.pages.contains_key(page[1].as_str().unwrap()), "{page}"));
            let columns = entry[3].as_str().unwrap().split_whitespace().map(str::to_owned).collect();
            (text(&entry[0]), pages.iter().map(|page| text(&page[0])).collect(), columns)
        };
        entries.map(entry).collect()
    }
}

fn unpacked(text: &str) -> String {
    let Ok(bytes) = STANDARD.decode(text) else { return String::new() };
    let mut unpacked = String::new();
    DeflateDecoder::new(bytes.as_slice()).read_to_string(&mut unpacked).unwrap();
    unpacked
}

fn columns(text: &str) -> Vec<Vec<String>> {
    text.split('\n').map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn transposed(columns: &[Vec<String>]) -> Vec<Vec<String>> {
    (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

/// The rows of versions, with what the pages leave out because it can be computed.
fn versions(columns: &[Vec<String>]) -> Vec<Vec<String>> {
    let (mut name, mut expected_rows, mut came) = (String::new(), 0, 0);
    let mut rows = transposed(columns);
    for row in &mut rows {
        let number = |cell: &String| cell.parse::<i64>().unwrap();
        if row[0].is_empty() {
            let date = Date::strptime("%Y%m%d", &name[..8]).unwrap().yesterday().unwrap();
            row[0] = format!("{}{}", date.strftime("%Y%m%d"), &name[8..]);
        }
        name.clone_from(&row[0]);
        if !row[2].is_empty() {
            let total = expected_rows + number(&row[2]);
            expected_rows = total - number(&row[3]) + number(&row[5]);
            row[2] = total.to_string();
        }
        came += number(&row[6]);
        row[6] = Timestamp::from_second(came * 60).unwrap().strftime("%Y-%m-%d %H:%MZ").to_string();
    }
    rows
}

fn unescaped(text: &str) -> String {
    let replaced = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    replaced.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
