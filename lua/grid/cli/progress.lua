-- How far many refreshes are: a bar on a terminal, a line for each file elsewhere, JSON for scripts.
-- Owns: all that is printed while they run.

local core = require "grid.core"
local output = require "grid.cli.output"
local times = require "grid.cli.times"

local progress = {}
local Progress = { __name = "grid.cli.progress" }
Progress.__index = Progress

local WIDTH = 40
local INTERVAL = 0.05 -- seconds between two pictures of the bar

-- A terminal that can erase a line.
local function can_show_bar()
  local kind = os.getenv "TERM" or ""
  return kind ~= "" and kind ~= "dumb" and core.is_terminal(1) and core.is_terminal(2)
end

function progress.new(on_screen, total)
  return setmetatable({
    screen = on_screen, total = total, done = 0, failed = 0, since = core.now(), painted = 0,
    bar = not on_screen.json and can_show_bar(),
  }, Progress)
end

function Progress:erase()
  if self.bar then io.stderr:write "\r\27[K" end
end

function Progress:paint()
  local now = core.now()
  if not self.bar or now - self.painted < INTERVAL and self.done < self.total then return end
  self.painted = now
  local filled = math.floor(WIDTH * self.done / self.total)
  io.stderr:write(("\r[%s%s] %d of %d, %d failed, %.0f/s"):format(
    ("#"):rep(filled), ("."):rep(WIDTH - filled), self.done, self.total, self.failed, self.done / (now - self.since)))
  io.stderr:flush()
end

--- What people are to know of a file.
function Progress:remark(name, text)
  self:erase()
  output.tell(name .. ": " .. text)
end

--- One file is over: renewed with `res`, or failed with `err`. `fields` tell scripts more.
function Progress:over(name, res, err, fields)
  self.done = self.done + 1
  local object = fields or {}
  object.file, object.refreshed = name, res ~= nil
  if res then
    object.key_expires_at = res.expires_at
    if not self.bar then self.screen:line("%s: refreshed, its key expires %s", name, times.text(res.expires_at)) end
  else
    self.failed = self.failed + 1
    object.error = output.describe_error(err)
    self:remark(name, tostring(err))
  end
  self.screen:object(object)
  self:paint()
end

--- All are over.
function Progress:finish()
  self:erase()
  local seconds = core.now() - self.since
  self.screen:line("%d of %d refreshed, %d failed, in %.1f s", self.done - self.failed, self.total, self.failed, seconds)
  self.screen:object { files = self.total, refreshed = self.done - self.failed, failed = self.failed }
end

return progress
