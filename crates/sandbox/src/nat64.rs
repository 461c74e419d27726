//! A name server as in networks without IPv4 (DNS64): every name has one address, that of a NAT64
//! translator that stands for an IPv4 address.
//!
//! Source: RFC 6147; RFC 6052, section 2.2.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// The prefix of a translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64Prefix {
    prefix: Ipv6Addr,
    length: u8,
}

/// The octet that no address of a translator uses.
const UNUSED_OCTET: usize = 8;

/// Largest query that is read, in bytes (RFC 1035, section 4.2.1).
const LARGEST: usize = 512;
/// Bytes before the question.
const HEAD: usize = 12;
/// Type of an IPv6 address, and class of the internet.
const AAAA_IN: [u8; 4] = [0, 28, 0, 1];

impl Nat64Prefix {
    /// Reads a prefix like `64:ff9b::/96`. `None` if it is not one of 32, 40, 48, 56, 64 or 96
    /// bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, length) = text.split_once('/')?;
        let (prefix, length) = (prefix.parse().ok()?, length.parse().ok()?);
        let is_known = matches!(length, 32 | 40 | 48 | 56 | 64 | 96);
        is_known.then_some(Self { prefix, length })
    }

    /// The translator's address that stands for an IPv4 address.
    pub fn address_of(self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.prefix.octets();
        let places = usize::from(self.length / 8)..octets.len();
        let places: Vec<usize> = places.filter(|place| *place != UNUSED_OCTET).collect();
        for (place, octet) in places.into_iter().zip(address.octets()) {
            if let Some(slot) = octets.get_mut(place) {
                *slot = octet;
            }
        }
        octets.into()
    }
}

/// Answers on a socket until the simulator stops. Returns the socket's address.
pub(crate) fn serve(
    socket: UdpSocket,
    address: Ipv6Addr,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> io::Result<SocketAddr> {
    let bound = socket.local_addr()?;
    let answering = async move {
        let mut query = [0; LARGEST];
        loop {
            // A datagram that another one caused to fail says nothing of the next.
            let Ok((length, client)) = socket.recv_from(&mut query).await else {
                continue;
            };
            let answer = query.get(..length).and_then(|query| answer(query, address));
            if let Some(answer) = answer
                && let Err(error) = socket.send_to(&answer, client).await
            {
                debug!(%error, "an answer to a name query is lost");
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(answering));
    Ok(bound)
}

/// The answer to a query: the address for a question of type AAAA, none for other types. `None` if
/// it is not a query with one question.
fn answer(query: &[u8], address: Ipv6Addr) -> Option<Vec<u8>> {
    let [id_1, id_2, flags, _, 0, 1, ..] = *query else {
        return None;
    };
    let is_query = flags & 0x80 == 0;
    let mut end = HEAD;
    loop {
        let label = usize::from(*query.get(end)?);
        end += 1;
        match label {
            0 => break,
            1..64 => end += label,
            _ => return None,
        }
    }
    let kind = query.get(end..end + AAAA_IN.len())?;
    let question = query.get(HEAD..end + AAAA_IN.len())?;
    let has_address = kind == AAAA_IN;
    // A response, with the operation and the wish for recursion of the query; recursion available.
    let flags = [0x80 | (flags & 0x79), 0x80];
    let counts = [0, 1, 0, u8::from(has_address), 0, 0, 0, 0];
    let mut answer = vec![id_1, id_2];
    answer.extend_from_slice(&flags);
    answer.extend_from_slice(&counts);
    answer.extend_from_slice(question);
    if has_address {
        // The name of the question, valid for no time.
        answer.extend_from_slice(&[0xc0, 12]);
        answer.extend_from_slice(&AAAA_IN);
        answer.extend_from_slice(&[0, 0, 0, 0, 0, 16]);
        answer.extend_from_slice(&address.octets());
    }
    is_query.then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 33);

    /// A query for `a.test`.
    fn query(kind: u8) -> Vec<u8> {
        let mut query = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(b"\x01a\x04test\x00");
        query.extend_from_slice(&[0, kind, 0, 1]);
        query
    }

    #[test]
    fn each_length_of_prefix_has_its_own_form() {
        // The examples of RFC 6052, section 2.4.
        for (prefix, expected) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let address = Nat64Prefix::parse(prefix).unwrap().address_of(ADDRESS);
            assert_eq!(address, expected.parse::<Ipv6Addr>().unwrap(), "{prefix}");
        }
        for wrong in ["64:ff9b::", "64:ff9b::/97", "10.0.0.0/8", ""] {
            assert_eq!(Nat64Prefix::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_has_an_ipv6_address_and_no_other() {
        let address = Nat64Prefix::parse("64:ff9b::/96")
            .unwrap()
            .address_of(ADDRESS);
        let told = answer(&query(28), address).unwrap();
        assert_eq!(told[..4], [7, 9, 0x81, 0x80]);
        assert_eq!(told[6..8], [0, 1]);
        assert!(told.ends_with(&address.octets()));
        let none = answer(&query(1), address).unwrap();
        assert_eq!(none[6..8], [0, 0]);
        assert_eq!(none.len(), query(1).len());
    }

    #[test]
    fn what_is_no_query_has_no_answer() {
        let address = Ipv6Addr::LOCALHOST;
        let mut response = query(28);
        response[2] |= 0x80;
        let mut compressed = query(28);
        compressed[12] = 0xc0;
        for wrong in [&[][..], &[0; 12], &query(28)[..15], &response, &compressed] {
            assert_eq!(answer(wrong, address), None, "{wrong:?}");
        }
    }
}
