//! Reads the parameters of `multipart/form-data` (RFC 7578). Files are ignored.

/// The boundary in a content type.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1);
    let mut named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    let (_, value) = named.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

/// The fields in the order of the body, without files and parts without a name.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    // The first boundary may start the body; the others follow a line break.
    let text = format!("\r\n{text}");
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = text.split(delimiter.as_str());
    // Text before the first boundary is not a part.
    parts.next();
    parts
        .take_while(|part| !part.starts_with("--"))
        .filter_map(field)
        .collect()
}

fn field(part: &str) -> Option<(String, String)> {
    let (_, part) = part.split_once("\r\n")?;
    let (headers, value) = part
        .strip_prefix("\r\n")
        .map(|value| ("", value))
        .or_else(|| part.split_once("\r\n\r\n"))?;
    let disposition = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let parameter = |wanted: &str| {
        let mut parameters = disposition.split(';').skip(1);
        parameters.find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            let is_it = name.eq_ignore_ascii_case(wanted);
            is_it.then(|| value.trim_matches('"').to_owned())
        })
    };
    if parameter("filename").is_some() {
        return None;
    }
    Some((parameter("name")?, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_found_bare_and_quoted() {
        for content_type in [
            "multipart/form-data; boundary=xyz",
            "multipart/form-data; charset=utf-8; Boundary=\"xyz\"",
        ] {
            assert_eq!(boundary(content_type).as_deref(), Some("xyz"));
        }
        assert_eq!(boundary("multipart/form-data; boundary="), None);
    }

    #[test]
    fn fields_are_read_and_files_left_out() {
        let body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"A[x]\"\r\n\r\none\r\ntwo\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\r\nfile\r\n\
                    --b\r\ncontent-disposition: form-data; name=B\r\ncontent-type: text/plain\r\n\r\n\r\n--b--\r\nend";
        assert_eq!(
            fields(body.as_bytes(), "b"),
            [
                ("A[x]".to_owned(), "one\r\ntwo".to_owned()),
                ("B".to_owned(), String::new()),
            ]
        );
    }

    #[test]
    fn a_body_that_is_none_has_no_fields() {
        for body in ["", "--b", "--b--", "--c\r\n\r\n", "--b\r\n\r\nx\r\n--b--"] {
            assert!(fields(body.as_bytes(), "b").is_empty(), "{body:?}");
        }
    }
}
