//! The smallest HTTP client that can read what the agent serves.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use super::DEADLINE;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// 200 and so on.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// GET `path`, with an `Accept` header when one is given.
///
/// # Errors
/// No connection, or no HTTP.
pub fn get(address: SocketAddr, path: &str, accept: Option<&str>) -> io::Result<Response> {
    let accept = accept.map(|accept| format!("Accept: {accept}\r\n")).unwrap_or_default();
    // HTTP/1.0: the end of the connection is the end of the body.
    send(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{accept}\r\n"))
}

/// GET `path` with a bearer token.
///
/// # Errors
/// No connection, or no HTTP.
pub fn get_as(token: &str, address: SocketAddr, path: &str) -> io::Result<Response> {
    send(address, &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"))
}

/// POST `body` to `path`.
///
/// # Errors
/// No connection, or no HTTP.
pub fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<Response> {
    let length = body.len();
    send(address, &format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn send(address: SocketAddr, request: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP answer: {text:.200}")))
}

fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some(Response { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
}
