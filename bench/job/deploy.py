"""pyinfra's part: facts where there are facts, so that a second run changes nothing."""

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import files, server

data = host.data
server.user(name="the account", user=data.account, system=True, shell="/usr/sbin/nologin", create_home=False, home=data.home)
for folder in data.folders:
    files.directory(name=folder["path"], path=folder["path"], user=folder["owner"], group=folder["owner"], mode=folder["mode"])
files.put(name="the server", src=data.server, dest=data.binary, mode="0755")
for file in data.files:
    files.template(
        name=file["path"],
        src=f"{data.job}/{file['source']}",
        dest=file["path"],
        user=file["owner"],
        group=file["group"],
        mode=file["mode"],
        ip=data.ip,
    )
if data.whole:
    if host.get_fact(Command, f"redis-cli -h {data.ip} -p 7001 ping 2>/dev/null || true") != "PONG":
        server.shell(name="the node runs", commands=[data.start])
    server.shell(name="the cluster is formed", commands=[data.form], _run_once=True)
    server.shell(name="the cluster is well", commands=[data.well])
