-- The folder of a store of files: 256 folders for the files of records, and the folder
-- "tmp" for temporary files.
-- Owns: its layout, and what is known of its state: a folder that was used and is missing
-- is an error, not an empty store.
-- Does not know: files, and what is in a record.

local core = require "grid.core"
local errors = require "grid.errors"

local folders = {}
local Folder = { __index = folders }

--- The names of the folders for records.
folders.BUCKETS = {}
for i = 0, 255 do folders.BUCKETS[i + 1] = ("%02x"):format(i) end

--- Reads and writes nothing yet.
---@param path string
function folders.new(path)
  path = path:match "^(.-)/*$"
  return setmetatable({ directory = path == "" and "/" or path, is_complete = false, is_known = false }, Folder)
end

--- The path of a file or folder in it.
function folders:path(name)
  return self.directory .. "/" .. name
end

-- A folder that this process may not look into counts as one with a layout.
local function has_layout(self)
  if core.file_exists(self:path "tmp") ~= false then return true end
  for _, bucket in ipairs(folders.BUCKETS) do
    if core.file_exists(self:path(bucket)) then return true end
  end
  return false
end

--- Is that the same folder, by whichever path? Neither needs to exist.
function folders:is_same(other)
  local place = core.folder_place(self.directory)
  return place ~= nil and place == core.folder_place(other.directory)
end

--- A record was read or written in the folder.
function folders:note_use()
  self.is_known = true
end

--- A write has failed: one of the folders may have been removed.
function folders:note_failure()
  self.is_complete = false
end

--- The error of a folder that was used, and that is missing or empty now: its file system
--- may have been unmounted, which removes no record. -> error | nil
function folders:loss()
  if not self.is_known or has_layout(self) then return nil end
  return errors.new {
    kind = "store", code = "folder_gone",
    message = ("the folder %s is gone or empty: mount or restore it; to begin anew, restart the program"):format(self.directory),
  }
end

--- Does the folder exist, and may it be used? -> boolean | nil, error
function folders:exists()
  local ok, kind, code, message = core.folder_check(self.directory)
  if ok then return true end
  if code ~= "not_found" then return nil, errors.from_core(kind, code, message) end
  local err = self:loss()
  if err then return nil, err end
  return false
end

--- Can there be records? -> boolean | nil, error
function folders:has_records()
  local exists, err = self:exists()
  if not exists then return exists, err end
  local is_prepared, kind, code, message = core.file_exists(self:path "tmp")
  if is_prepared then return true end
  err = is_prepared == nil and errors.from_core(kind, code, message) or self:loss()
  if err then return nil, err end
  return false
end

local function parent_of(path)
  local parent = path:match "^(.*)/[^/]*$"
  return parent == "" and "/" or parent or "."
end

-- The steps that create the folder. "tmp" is the last one: if it exists, the other
-- folders are on the disk.
local function layout(self)
  local steps = { { core.folder_make, self.directory }, { core.folder_sync, parent_of(self.directory) } }
  for _, bucket in ipairs(folders.BUCKETS) do steps[#steps + 1] = { core.folder_make, self:path(bucket) } end
  steps[#steps + 1] = { core.folder_sync, self.directory }
  steps[#steps + 1] = { core.folder_make, self:path "tmp" }
  return steps
end

--- Creates the folder if there is none. -> true | nil, error
function folders:prepare()
  local exists, err = self:exists()
  if exists == nil then return nil, err end
  if exists and (self.is_complete or core.file_exists(self:path "tmp")) then
    self.is_complete = true
    return true
  end
  err = self:loss()
  if err then return nil, err end
  for _, step in ipairs(layout(self)) do
    local ok
    ok, err = errors.core_result(step[1](step[2]))
    if not ok then return nil, err end
  end
  exists, err = self:exists()
  self.is_complete = exists == true
  return exists or nil, err
end

return folders
