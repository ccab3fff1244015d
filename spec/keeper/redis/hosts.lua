-- Hosts for a run of many machines, of which each has its network, machine id, boot id,
-- and clocks: CLOCK_BOOTTIME by a time namespace, the wall clock by a preloaded library.
-- One wire leads to Redis, one to the authorization server; each loses what a fault says.
-- The program that starts them is in a network namespace of its own, where the servers
-- are: see `hosts.command`. All ends with it.
-- Owns: the namespaces, and the wires.
-- Does not know: Redis, keepers.

local child = require "spec.support.child"
local files = require "spec.support.files"

local hosts = {}
local Host = {}
Host.__index = Host

hosts.REDIS, hosts.OAUTH = "10.77.0.1", "10.77.0.2" -- addresses of the program

local SPACES = "unshare --net --mount --time --boottime %d --fork "

--- Why there are no such hosts here | nil.
function hosts.obstacle()
  local said = child.capture(SPACES:format(1) .. "ip link add name a type veth peer name b 2>&1 && echo yes")
  return said ~= "yes" and "needs network and time namespaces, and ip of iproute2: " .. said or nil
end

--- The shell words that run a Lua program as the one that starts hosts.
function hosts.command(script)
  local environment, interpreter = child.vm:match "^(.*) (%S+)$"
  return ("env %s unshare --net sh -c 'ip link set lo up && exec \"$@\"' sh %s %s"):format(environment, interpreter, script)
end

local function sh(format, ...)
  local command = format:format(...)
  if not os.execute(command) then error("this failed: " .. command, 2) end
end

--- Gives the program the addresses that the hosts know.
function hosts.prepare()
  for _, address in ipairs { hosts.REDIS, hosts.OAUTH } do sh("ip addr replace %s/32 dev lo", address) end
end

-- It lives as long as the program does.
local HOLD = [[
mount --bind %s/machine_id /etc/machine-id && mount --bind %s/boot_id /proc/sys/kernel/random/boot_id || exit
ip link set lo up
echo $$ >%s/pid.new && mv %s/pid.new %s/pid
while kill -0 %s; do sleep 0.5; done]]

local function lay(self, name, net, address)
  local prefix = ("10.77.%d."):format(self.number * 2 + net)
  sh("ip link add name %s%d type veth peer name %s netns %s", name, self.number, name, self.pid)
  sh("ip addr add %s1/24 dev %s%d && ip link set %s%d up", prefix, name, self.number, name, self.number)
  sh("%s sh -c 'ip addr add %s2/24 dev %s && ip link set %s up && ip route add %s via %s1'", self.prefix, prefix, name, name,
    address, prefix)
  self.wires[name] = {
    requests = { self.prefix, prefix .. 1, name },
    answers = { "", prefix .. 2, name .. self.number },
  }
end

--- `wall`: seconds that its wall clock is ahead. `clock`: path of the library for that.
function hosts.start(folder, number, clock, wall)
  local self = setmetatable({ number = number, wires = {}, dir = folder.path .. "/host-" .. number }, Host)
  self.env = wall ~= 0 and { LD_PRELOAD = clock, WALL_OFFSET = tostring(wall) } or {}
  sh("mkdir %s", self.dir)
  folder:write("host-" .. number .. "/machine_id", ("%032x\n"):format(number))
  folder:write("host-" .. number .. "/boot_id", ("%08x-89ab-4cde-8f01-23456789abcd\n"):format(number))
  local hold = HOLD:format(self.dir, self.dir, self.dir, self.dir, self.dir, files.own_pid())
  folder:write("host-" .. number .. "/hold", hold)
  sh(SPACES .. "sh %s/hold >%s/log 2>&1 &", number * 100000, self.dir, self.dir)
  while not files.exists(self.dir .. "/pid") do sh "sleep 0.05" end
  self.pid = files.read(self.dir .. "/pid"):match "%d+"
  self.prefix = ("nsenter --target %s --net --mount --time --wd=%s"):format(self.pid, child.quote(child.root))
  lay(self, "redis", 0, hosts.REDIS)
  lay(self, "oauth", 1, hosts.OAUTH)
  return self
end

-- A wire loses what is sent to a hardware address that is not there.
local LOSE = "%s ip neigh replace %s lladdr 02:00:00:00:00:00 nud permanent dev %s"

--- The wire loses "requests" or "answers" from now on, until `mend`.
---@param wire "redis"|"oauth"
---@param what "requests"|"answers"
function Host:lose(wire, what)
  sh(LOSE, (table.unpack or unpack)(self.wires[wire][what]))
end

function Host:mend(wire, what)
  sh("%s ip neigh del %s dev %s", (table.unpack or unpack)(self.wires[wire][what]))
end

function Host:stop()
  for name in pairs(self.wires) do os.execute(("ip link del %s%d"):format(name, self.number)) end
  os.execute("kill -KILL " .. self.pid)
end

return hosts
