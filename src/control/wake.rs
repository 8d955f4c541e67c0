use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::net::UdpSocket;

use crate::config::WakeConfig;

/// The packet is sent so often: nothing tells whether it has come.
const TIMES: usize = 3;

/// What wakes the machine of this hardware address: six bytes of ones, the address sixteen times.
fn packet(mac: [u8; 6]) -> Vec<u8> {
    let mut packet = vec![0xff; 6];
    for _ in 0..16 {
        packet.extend(mac);
    }
    packet
}

/// Sends it. That the machine wakes up nobody can tell.
///
/// # Errors
/// The network takes no broadcast.
pub(super) async fn wake(config: &WakeConfig) -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.set_broadcast(true)?;
    let packet = packet(config.mac);
    for _ in 0..TIMES {
        socket.send_to(&packet, config.address).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_packet_has_the_address_sixteen_times() {
        let sleeper = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let std::net::SocketAddr::V4(address) = sleeper.local_addr().unwrap() else {
            panic!("it is bound to an address of the other kind")
        };
        let mac = [0x00, 0x11, 0x32, 0xaa, 0xbb, 0xcc];
        let config = WakeConfig {
            name: "nas".to_owned(),
            mac,
            address,
        };
        wake(&config).await.unwrap();
        let mut got = [0; 200];
        let length = sleeper.recv(&mut got).await.unwrap();
        assert_eq!(length, 102);
        assert_eq!(got[..6], [0xff; 6]);
        assert!(got[6..102].chunks(6).all(|part| part == mac));
    }
}
